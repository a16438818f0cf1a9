package gateless

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	mathrand "math/rand"
	"net/http"
	"time"
)

const idempotencyKey = "Idempotency-Key"

// RetryPolicy is how often and how patiently requests are sent again: only those a second one of can do no harm.
type RetryPolicy struct {
	// Attempts in all; 1: no retries.
	Attempts int
	// Base is the upper bound of the first pause, doubled from one to the next.
	Base time.Duration
	// Max is the upper bound of every pause; whoever is told by retry-after to wait longer fails.
	Max time.Duration
}

// DefaultRetry is 4 attempts within about a second.
var DefaultRetry = RetryPolicy{Attempts: 4, Base: 100 * time.Millisecond, Max: 10 * time.Second}

// pause after attempt (from 1); false: give up. Full jitter, so that clients that failed together don't return together.
func (p RetryPolicy) pause(attempt int, asked time.Duration) (time.Duration, bool) {
	if attempt >= p.Attempts || asked > p.Max {
		return 0, false
	}
	bound := p.Base
	for i := 1; i < attempt && bound < p.Max; i++ {
		bound *= 2
	}
	if bound > p.Max {
		bound = p.Max
	}
	return asked + time.Duration(mathrand.Int63n(int64(bound)+1)), true
}

// isRepeatable: sending it twice has no more effect than sending it once.
func isRepeatable(method string, headers http.Header) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return headers.Get(idempotencyKey) != ""
}

func asksAgain(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

func newKey() string {
	var key [16]byte
	// It cannot fail on any system Go runs on; should it, the request goes without retries.
	if _, err := rand.Read(key[:]); err != nil {
		return ""
	}
	return hex.EncodeToString(key[:])
}

// sleep waits, unless ctx ends first or would end meanwhile.
func sleep(ctx context.Context, pause time.Duration) bool {
	if until, given := ctx.Deadline(); given && time.Until(until) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// retrying sends to the server, again where that is right.
type retrying struct {
	next   http.RoundTripper
	policy RetryPolicy
}

// RoundTrip sends, again where that is right. A body that can be read but once is sent but once.
func (r retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	if request.Method == http.MethodPost && request.Header.Get(idempotencyKey) == "" {
		// The server answers a repeated POST with the first one's answer, if it can tell.
		request.Header.Set(idempotencyKey, newKey())
	}
	hasBody := request.Body != nil && request.Body != http.NoBody
	repeatable := isRepeatable(request.Method, request.Header) && (!hasBody || request.GetBody != nil)
	for attempt := 1; ; attempt++ {
		response, err := r.next.RoundTrip(request)
		if err == nil && !asksAgain(response.StatusCode) || !repeatable || request.Context().Err() != nil {
			return response, err
		}
		var asked time.Duration
		if err == nil {
			asked = retryAfter(response.Header)
		}
		pause, again := r.policy.pause(attempt, asked)
		if !again {
			return response, err
		}
		body := io.ReadCloser(http.NoBody)
		if hasBody {
			fresh, broken := request.GetBody()
			if broken != nil {
				return response, err
			}
			body = fresh
		}
		if !sleep(request.Context(), pause) {
			body.Close()
			return response, err
		}
		if err == nil {
			response.Body.Close()
		}
		request = request.Clone(request.Context())
		request.Body = body
	}
}
