//! RFC 9112, HTTP/1.1: what a message is, and where it ends.
//!
//! Deliberately no semantics; those are in `semantics`.

use crate::table::Must::*;
use crate::table::{Row, row};

const BAD: &[crate::table::Must] = &[Answer(&[400]), Unseen];
const BAD_OR_UNKNOWN: &[crate::table::Must] = &[Answer(&[400, 501]), Unseen];

// A table: a row a clause.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row("RFC 9112, 2.2", "empty_line_before_a_request_is_ignored",
        "\r\nGET /function/raw/a HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Seen(1)]),
    row("RFC 9112, 2.2", "space_before_the_first_header_is_refused",
        "GET /function/raw/ HTTP/1.1\r\n host: {host}\r\n\r\n", BAD),
    row("RFC 9112, 2.2", "lone_cr_in_a_value_is_no_line_end",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-a: 1\rx-b: 2\r\n\r\n", &[RefusedOr(&[Sees("x-b", &[])])]),
    row("RFC 9112, 2.3", "own_version_is_sent_on",
        "GET /function/raw/a HTTP/1.0\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Line("GET /a HTTP/1.1")]),
    row("RFC 9112, 2.3", "unknown_version_is_refused",
        "GET /function/raw/ HTTP/3.7\r\nhost: {host}\r\n\r\n", &[Answer(&[400, 505]), Unseen]),
    row("RFC 9112, 3", "request_line_of_four_words_is_refused",
        "GET /function/raw/ a HTTP/1.1\r\nhost: {host}\r\n\r\n", BAD),
    row("RFC 9112, 3", "target_with_a_control_character_is_refused",
        "GET /function/raw/\u{1} HTTP/1.1\r\nhost: {host}\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "missing_host_is_refused",
        "GET /function/raw/ HTTP/1.1\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "two_hosts_are_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nhost: other\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "same_host_twice_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nhost: {host}\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "host_with_a_space_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: a b\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "host_with_a_slash_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: a/b\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "host_with_user_information_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: me@a\r\n\r\n", BAD),
    row("RFC 9112, 3.2", "http_1_0_needs_no_host",
        "GET /function/raw/ HTTP/1.0\r\n\r\n", &[Answer(&[200])]),
    row("RFC 9112, 3.2.2", "host_of_an_absolute_target_replaces_the_header",
        "GET http://raw.default.gateless.local/a HTTP/1.1\r\nhost: other\r\n\r\n",
        &[Answer(&[200]), Line("GET /a HTTP/1.1"), Sees("host", &["raw.default.gateless.local"])]),
    row("RFC 9112, 3.2.4", "options_of_the_server_itself_is_sent_on_as_such",
        "OPTIONS * HTTP/1.1\r\nhost: raw.default.gateless.local\r\n\r\n",
        &[Answer(&[200]), Line("OPTIONS * HTTP/1.1")]),
    row("RFC 9112, 5", "header_without_a_colon_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-a\r\n\r\n", BAD),
    row("RFC 9112, 5", "header_without_a_name_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n: a\r\n\r\n", BAD),
    row("RFC 9112, 5.1", "space_before_a_colon_is_refused",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length : 0\r\n\r\n", BAD),
    row("RFC 9112, 5.2", "folded_line_is_refused_or_unfolded",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-a: 1\r\n 2\r\n\r\n", &[RefusedOr(&[Sees("x-a", &["1 2"])])]),
    row("RFC 9112, 6.1", "length_and_chunks_are_refused_or_chunks_count",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        &[RefusedOr(&[Seen(1), SeesBody("hello"), Sees("content-length", &[])])]),
    row("RFC 9112, 6.1", "chunks_and_length_hide_no_second_request",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\ncontent-length: 50\r\n\r\n0\r\n\r\nGET /function/raw/smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
        &[RefusedOr(&[SeesBody(""), Sees("content-length", &[]), Closed])]),
    row("RFC 9112, 6.1", "coding_before_chunked_is_kept_or_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BAD_OR_UNKNOWN)
        .open("issue 12, 23: loses its label, not its coding"),
    row("RFC 9112, 6.3", "request_whose_last_coding_is_not_chunked_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BAD_OR_UNKNOWN),
    row("RFC 9112, 6.3", "request_with_an_unknown_coding_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BAD_OR_UNKNOWN),
    row("RFC 9112, 6.3", "identity_is_no_coding",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: identity\r\ncontent-length: 5\r\n\r\nhello", BAD_OR_UNKNOWN),
    row("RFC 9112, 6.1", "chunked_twice_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BAD_OR_UNKNOWN)
        .open("issue 12, 23: a coding loses its label"),
    row("RFC 9112, 6.1", "control_character_before_chunked_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: \u{b}chunked\r\ncontent-length: 5\r\n\r\nhello", BAD_OR_UNKNOWN),
    row("RFC 9112, 6.1", "chunks_in_http_1_0_are_faulty",
        "POST /function/raw/ HTTP/1.0\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", &[RefusedOr(&[SeesBody("hello"), Closed])]),
    row("RFC 9112, 6.3", "list_of_equal_lengths_is_refused_or_becomes_one",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2, 2\r\n\r\nhi", &[RefusedOr(&[Seen(1), SeesBody("hi"), Sees("content-length", &["2"])])]),
    row("RFC 9112, 6.3", "equal_lengths_on_two_lines_are_refused_or_become_one",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi", &[RefusedOr(&[Seen(1), SeesBody("hi"), Sees("content-length", &["2"])])]),
    row("RFC 9112, 6.3", "different_lengths_are_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nhello", BAD),
    row("RFC 9112, 6.3", "length_with_a_sign_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: +2\r\n\r\nhi", BAD),
    row("RFC 9112, 6.3", "negative_length_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: -2\r\n\r\nhi", BAD),
    row("RFC 9112, 6.3", "length_in_other_digits_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0x2\r\n\r\nhi", BAD),
    row("RFC 9112, 6.3", "length_beyond_all_numbers_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 99999999999999999999\r\n\r\nhi", &[Answer(&[400, 413]), Unseen]),
    row("RFC 9112, 6.3", "empty_length_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length:\r\n\r\n", BAD),
    row("RFC 9112, 6.3", "answer_with_length_and_chunks_is_whole_or_an_error",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[BodyOrBroken("hello")])
        .answered("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .open("issue 12, 23: truncated yet complete-looking"),
    row("RFC 9112, 6.3", "answer_with_chunks_and_length_is_whole_or_an_error",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[BodyOrBroken("hello")])
        .answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .open("issue 12, 23: truncated yet complete-looking"),
    row("RFC 9112, 6.3", "answer_with_two_lengths_is_an_error",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[502])])
        .answered("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nhello"),
    row("RFC 9112, 6.3", "answer_with_an_invalid_length_is_an_error",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n{answer}\r\n", &[Answer(&[502])])
        .answered("HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello"),
    row("RFC 9112, 6.3", "answer_without_a_length_ends_with_its_connection",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-close: 1\r\n{answer}\r\n", &[Answer(&[200]), Body("hello")])
        .answered("HTTP/1.1 200 OK\r\n\r\nhello"),
    row("RFC 9112, 6.3", "coded_answer_without_chunks_is_kept_as_it_is_or_an_error",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-close: 1\r\n{answer}\r\n", &[Answer(&[502])])
        .answered("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello")
        .open("issue 12, 23: a coding loses its label"),
    row("RFC 9112, 8", "answer_shorter_than_its_length_looks_so",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-close: 1\r\n{answer}\r\n", &[Incomplete])
        .answered("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
    row("RFC 9112, 8", "answer_without_its_last_chunk_looks_so",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nx-close: 1\r\n{answer}\r\n", &[Incomplete])
        .answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    row("RFC 9112, 8", "request_shorter_than_its_length_is_never_whole",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 10\r\n\r\nhello", &[Unseen]).half_closed(),
    row("RFC 9112, 7.1", "extension_of_a_chunk_ends_at_the_proxy",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\n\r\n", &[Answer(&[200]), SeesBody("hello")]),
    row("RFC 9112, 7.1", "chunk_without_a_size_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n", &[Answer(&[400]), Unseen]),
    row("RFC 9112, 7.1", "chunk_size_beyond_all_numbers_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", &[Answer(&[400]), Unseen]),
    row("RFC 9112, 7.1", "chunk_longer_than_its_size_is_refused",
        "POST /function/raw/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", &[Answer(&[400]), Unseen]),
    row("RFC 9112, 9.3", "requests_of_one_connection_are_answered_in_order",
        "GET /function/raw/a HTTP/1.1\r\nhost: {host}\r\n\r\nGET /function/raw/b HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Next(200), Seen(2), Line("GET /a HTTP/1.1")]),
    row("RFC 9112, 9.3", "http_1_0_connection_is_closed",
        "GET /function/raw/ HTTP/1.0\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Closed]),
    row("RFC 9112, 9.6", "connection_closes_when_asked",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n", &[Answer(&[200]), Closed, Gives("connection", &["close"])]),
    row("RFC 9112, 9.6", "connection_of_the_caller_outlives_the_functions",
        "GET /function/raw/a HTTP/1.1\r\nhost: {host}\r\nx-close: 1\r\n{answer}\r\nGET /function/raw/b HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200]), Body("hi"), Next(200)])
        .answered("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"),
    row("RFC 9112, 9.6", "caller_that_closes_its_half_gets_its_answer",
        "GET /function/raw/ HTTP/1.1\r\nhost: {host}\r\n\r\n", &[Answer(&[200])]).half_closed()
        .open("issue 12, 29: no answer"),
];
