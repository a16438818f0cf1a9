//! RFC 9110, what an intermediary changes and what it must not, and the headers of RFC 7239 and W3C Trace
//! Context that it writes itself.
//!
//! Deliberately nothing of where a message ends; that is in `messages`.

use crate::table::Must::*;
use crate::table::{Row, row};

// A table: a row a clause.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row("RFC 9110, 5.3", "lines_of_one_name_keep_their_order",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-a: 1\r\nx-b: 0\r\nx-a: 2, 3\r\nx-a:\r\n\r\n", &[Answer(&[200]), Sees("x-a", &["1", "2, 3", ""])]),
    row("RFC 9110, 5.5", "bytes_above_ascii_pass_in_values",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-a: gr\u{fc}n\r\n\r\n", &[Answer(&[200]), Sees("x-a", &["gr\u{fc}n"])]),
    row("RFC 9110, 5.5", "nul_in_a_value_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-a: 1\u{0}2\r\n\r\n", &[Answer(&[400]), Unseen]),
    row("RFC 9110, 4.2.3", "case_of_the_host_is_ignored",
        "GET /a HTTP/1.1\r\nhost: RAW.Default.Gateless.Local\r\n\r\n", &[Answer(&[200]), Line("GET /a HTTP/1.1")]),
    row("RFC 9110, 4.2.3", "host_with_a_port_names_the_same_function",
        "GET /a HTTP/1.1\r\nhost: raw.default.gateless.local:8080\r\n\r\n", &[Answer(&[200]), Sees("host", &["raw.default.gateless.local:8080"])]),
    row("RFC 3986, 3.2.2", "host_with_a_final_dot_names_the_same_function",
        "GET /a HTTP/1.1\r\nhost: raw.default.gateless.local.\r\n\r\n", &[Answer(&[200])]),
    row("RFC 9110, 7.1", "function_gets_its_own_paths_whatever_the_platform_calls_so",
        "GET /healthz HTTP/1.1\r\nhost: raw.default.gateless.local\r\n\r\n", &[Answer(&[200]), Line("GET /healthz HTTP/1.1")]),
    row("RFC 9110, 7.1", "function_called_by_absolute_target_gets_its_own_paths_too",
        "GET http://raw.default.gateless.local/healthz HTTP/1.1\r\nhost: raw.default.gateless.local\r\n\r\n", &[Answer(&[200]), Line("GET /healthz HTTP/1.1")]),
    row("RFC 9110, 7.7", "path_is_not_normalized",
        "GET /function/raw//a/%2e%2E/./b?c=%20&d#e HTTP/1.1\r\nhost: {host}\r\n\r\n", &[RefusedOr(&[Line("GET //a/%2e%2E/./b?c=%20&d HTTP/1.1")])]),
    row("RFC 9110, 7.6.1", "headers_of_the_connection_end_here",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nconnection: x-a\r\nconnection: keep-alive , X-B\r\nx-a: 1\r\nx-b: 1\r\nx-c: 1\r\nkeep-alive: 5\r\nproxy-connection: keep-alive\r\nte: gzip\r\nupgrade: foo\r\n\r\n",
        &[Answer(&[200]), Sees("x-a", &[]), Sees("x-b", &[]), Sees("x-c", &["1"]), Sees("keep-alive", &[]), Sees("proxy-connection", &[]), Sees("te", &[]), Sees("upgrade", &[])]),
    row("RFC 9110, 7.6.1", "connection_cannot_take_framing_away",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\nconnection: content-length, host\r\ncontent-length: 5\r\n\r\nhello", &[RefusedOr(&[SeesBody("hello"), Sees("content-length", &["5"])])]),
    row("RFC 9110, 7.6.1", "connection_cannot_take_forwarding_away",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nconnection: x-forwarded-for, forwarded, traceparent\r\n\r\n", &[Answer(&[200]), SeesLike("x-forwarded-for", "127.0.0.1", ""), SeesLike("forwarded", "for=127.0.0.1", "")]),
    row("RFC 9110, 7.6.1", "answers_headers_of_the_connection_end_here",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[200]), Gives("x-a", &[]), Gives("keep-alive", &[]), Gives("x-b", &["1"])])
        .answered("HTTP/1.1 200 OK\r\nconnection: x-a, keep-alive\r\nx-a: 1\r\nx-b: 1\r\nkeep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n"),
    row("RFC 9110, 7.6.2", "trace_that_may_go_no_further_is_answered_here",
        "TRACE /function/raw/ HTTP/1.1\r\nhost: {host}\r\nmax-forwards: 0\r\n\r\n", &[Unseen]),
    row("RFC 9110, 7.6.2", "options_that_may_go_no_further_are_answered_here",
        "OPTIONS /function/raw/ HTTP/1.1\r\nhost: {host}\r\nmax-forwards: 0\r\n\r\n", &[Unseen]),
    row("RFC 9110, 7.6.3", "request_says_through_whom_it_came",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nvia: 1.0 first\r\n\r\n", &[Answer(&[200]), SeesLike("via", "1.0 first", "gateless")]),
    row("RFC 9110, 8.6", "answer_to_head_has_a_length_and_no_body",
        "HEAD /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\nGET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Gives("content-length", &["10"]), Next(200)])
        .answered("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
    row("RFC 9110, 8.6", "answer_without_content_has_no_length",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\nGET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[204]), Gives("content-length", &[]), Gives("transfer-encoding", &[]), Next(200)])
        .answered("HTTP/1.1 204 No Content\r\n\r\n"),
    row("RFC 9110, 15.4.5", "not_modified_has_no_body",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\nGET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[304]), Gives("etag", &["\"a\""]), Next(200)])
        .answered("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n"),
    row("RFC 9110, 9.1", "unknown_method_is_passed_on",
        "BREW /function/raw/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Line("BREW / HTTP/1.1")]),
    row("RFC 9110, 9.3.1", "content_of_a_get_is_passed_on",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 5\r\n\r\nhello", &[Answer(&[200]), SeesBody("hello")]),
    row("RFC 9110, 9.3.6", "connect_is_refused",
        "CONNECT raw.default.gateless.local:80 HTTP/1.1\r\nhost: raw.default.gateless.local:80\r\n\r\n", &[Answer(&[400, 404, 405, 501]), Unseen]),
    row("RFC 9110, 10.1.1", "expectation_is_met_before_the_answer",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello", &[Answer(&[200]), SeesBody("hello")]),
    row("RFC 9110, 15", "unknown_status_is_passed_on",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[499]), Body("hi")])
        .answered("HTTP/1.1 499 Something\r\ncontent-length: 2\r\n\r\nhi"),
    row("RFC 9110, 15.2", "early_hints_reach_the_caller",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Interim(103), Answer(&[200]), Body("hi")])
        .answered("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        .open("issue 12, 27: 103 is dropped"),
    row("RFC 9110, 15.2", "interim_answers_do_not_end_the_call",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[200]), Body("hi")])
        .answered("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
    row("RFC 9110, 15.2.2", "switch_nobody_asked_for_is_an_error",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[502])])
        .answered("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n"),
    row("RFC 9110, 5.5", "answer_with_a_line_end_in_a_value_splits_nothing",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Gives("set-cookie", &[])])
        .answered("HTTP/1.1 200 OK\r\nx-a: 1\rset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"),
    row("RFC 9110, 5.3", "cookies_are_set_one_a_line",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[200]), Gives("set-cookie", &["a=1", "b=2"])])
        .answered("HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n"),
    row("RFC 9110, 6.6.1", "functions_own_date_and_server_stay",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Gives("date", &["Sun, 06 Nov 1994 08:49:37 GMT"]), Gives("server", &["own"])])
        .answered("HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: own\r\ncontent-length: 0\r\n\r\n"),
    row("RFC 9110, 9.6", "early_refusal_with_a_close_reaches_the_caller",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-early: 1\r\n{answer}content-length: 5\r\n\r\nhello", &[Answer(&[413])])
        .answered("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
    row("RFC 7239, 4", "second_line_of_forwarded_is_kept",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nforwarded: for=192.0.2.1\r\nforwarded: for=192.0.2.2\r\n\r\n", &[Answer(&[200]), SeesLike("forwarded", "for=192.0.2.1, for=192.0.2.2, for=127.0.0.1", "")]),
    row("RFC 7239, 7.1", "second_line_of_x_forwarded_for_is_kept",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\n\r\n", &[Answer(&[200]), Sees("x-forwarded-for", &["192.0.2.1, 192.0.2.2, 127.0.0.1"])]),
    row("Trace Context, 3.2", "valid_trace_is_passed_on",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n", &[Answer(&[200]), SeesLike("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-", "-01")]),
    row("Trace Context, 3.2.2", "trace_made_here_is_sampled",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), SeesLike("traceparent", "00-", "-01")]),
    row("Trace Context, 4.3", "invalid_trace_is_replaced",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntraceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01\r\n\r\n", &[Answer(&[200]), SeesLike("traceparent", "00-", ""), NotSees("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")]),
    row("RFC 9110, 5.4", "names_only_the_platform_may_say_end_here",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-gateless-trigger: t\r\nx-gateless-attempt: 9\r\nx-gateless-call-state: failed\r\nx-gateless-async: true\r\nX-Call-Id: 1\r\nx-function-name: f\r\nx-function-status: 200\r\nx-gateless-new: 1\r\nx-gateless-sticky: a\r\nx-own: 1\r\n\r\n",
        &[Answer(&[200]), Sees("x-gateless-trigger", &[]), Sees("x-gateless-attempt", &[]), Sees("x-gateless-call-state", &[]), Sees("x-gateless-async", &[]), Sees("x-call-id", &[]), Sees("x-function-name", &[]), Sees("x-function-status", &[]), Sees("x-gateless-new", &[]), Sees("x-gateless-sticky", &["a"]), Sees("x-own", &["1"])]),
    row("RFC 9110, 5.4", "names_only_sidecars_may_set_end_here",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-gateless-refused: 1\r\nx-gateless-node: guess\r\nx-gateless-permit: 1\r\n\r\n", &[Answer(&[200]), Sees("x-gateless-refused", &[]), NotSees("x-gateless-node", "guess"), Sees("x-gateless-permit", &[])]),
];
