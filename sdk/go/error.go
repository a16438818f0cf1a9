package gateless

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// No problem document comes near it.
const maxProblemBytes = 1 << 20

// Error is every failure: what the server or a sidecar said, or why there was no answer. Find it with errors.As.
//
// Codes beside the server's and the sidecars' own: unreachable, timeout, transport (there was no answer), http (the answer was
// no problem document), bad_answer, call_dead and call_cancelled (an async call ended so), no_sidecar, invalid.
type Error struct {
	// Status is HTTP's; 0: there was no answer.
	Status int `json:"-"`
	// Code is what is the matter, for programs; stable.
	Code string `json:"code"`
	// Detail is what is the matter, for people.
	Detail string `json:"detail"`
	// Hint is the way out, if there is one to name.
	Hint string `json:"hint"`
	// Errors are what is wrong in the request, all at once.
	Errors []FieldError `json:"errors"`
	// RetryAfter is what the answer asked for.
	RetryAfter time.Duration `json:"-"`

	cause error
	kind  string
}

// FieldError is one thing wrong with a document.
type FieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error names the code and what is the matter.
func (e *Error) Error() string { return e.Code + ": " + e.Detail }

// Unwrap gives the cause, so that errors.Is(err, context.DeadlineExceeded) holds.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf is an error's code; "" when it is none of Gateless's.
func CodeOf(err error) string {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// problem is the error an answer of 400 and above stands for.
func problem(response *http.Response, body []byte) *Error {
	said := struct {
		*Error
		Type string `json:"type"`
	}{Error: &Error{}}
	if json.Unmarshal(body, &said) != nil || said.Error.Code == "" {
		text := string(body)
		if len(text) > 500 {
			text = text[:500]
		}
		said.Error = &Error{Code: "http", Detail: response.Status + " " + text}
	}
	failed := said.Error
	failed.Status = response.StatusCode
	failed.RetryAfter = retryAfter(response.Header)
	failed.kind = said.Type
	return failed
}

// problemOf reads and closes the answer.
func problemOf(response *http.Response) *Error {
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	return problem(response, body)
}

// platformProblem is the problem, if Gateless itself speaks; a function may answer problems, too, and those are its answer.
func platformProblem(response *http.Response) *Error {
	kind := response.Header.Get("Content-Type")
	if response.StatusCode < 400 || !strings.HasPrefix(kind, "application/problem+json") {
		return nil
	}
	rest := response.Body
	body, _ := io.ReadAll(io.LimitReader(rest, maxProblemBytes))
	failed := problem(response, body)
	if strings.HasPrefix(failed.kind, "urn:gateless:problem:") {
		rest.Close()
		return failed
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	return nil
}

// unanswered says why there was no answer.
func unanswered(whom string, err error) *Error {
	var failed *Error
	if errors.As(err, &failed) {
		return failed
	}
	var broken net.Error
	var dial *net.OpError
	code, hint := "transport", ""
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = "timeout"
	case errors.As(err, &dial) && dial.Op == "dial":
		code, hint = "unreachable", "is it running, and is this its address?"
	case errors.As(err, &broken) && broken.Timeout():
		code = "timeout"
	}
	return &Error{Code: code, Detail: whom + ": " + err.Error(), Hint: hint, cause: err}
}

// retryAfter in seconds; its other form, a date, nobody sends here.
func retryAfter(headers http.Header) time.Duration {
	seconds, err := strconv.ParseUint(headers.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
