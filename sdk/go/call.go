package gateless

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Between looks at an async call: doubled from the first to the last. Sidecars tell the state of a call when asked.
const (
	pollFirst = 20 * time.Millisecond
	pollLast  = 500 * time.Millisecond
)

// Call is a queued call: it is on disk, and is delivered at least once.
type Call struct {
	// ID names it at any sidecar.
	ID string
	// Token reads its state and result: whoever has it may. A secret, as the id is not.
	Token  string
	client *Client
}

// CallStatus is a call as any sidecar tells of it.
type CallStatus struct {
	ID string `json:"id"`
	// State is queued, running, retrying, succeeded, dead or cancelled.
	State string `json:"state"`
	// Reason is why it is dead or cancelled.
	Reason string `json:"reason"`
	// Status is the function's.
	Status   int           `json:"status"`
	Attempts []CallAttempt `json:"attempts"`
}

// CallAttempt is one try at a call.
type CallAttempt struct {
	Number     int    `json:"number"`
	DurationMs int64  `json:"duration_ms"`
	Status     int    `json:"status"`
	Error      string `json:"error"`
}

// Call is a call queued earlier, by its id and the token that reads it.
func (c *Client) Call(id, token string) *Call { return &Call{ID: id, Token: token, client: c} }

func (c *Call) get(ctx context.Context, rest string) (*http.Response, error) {
	path := "/_gateless/calls/" + url.PathEscape(c.ID) + rest
	headers := http.Header{}
	headers.Set("X-Call-Token", c.Token)
	return c.client.exchange(ctx, path, &request{method: http.MethodGet, headers: headers})
}

// Status is how it is now.
func (c *Call) Status(ctx context.Context) (*CallStatus, error) {
	response, err := c.get(ctx, "")
	if err != nil {
		return nil, err
	}
	status := &CallStatus{}
	return status, read(response, status)
}

// Result waits for the function's answer, whose status is the function's own; close its body. When ctx ends first the error
// is timeout: the call goes on, and can be asked again. Others are call_dead and call_cancelled.
func (c *Call) Result(ctx context.Context) (*http.Response, error) {
	for pause := pollFirst; ; pause *= 2 {
		if pause > pollLast {
			pause = pollLast
		}
		status, err := c.Status(ctx)
		if err != nil {
			return nil, err
		}
		switch status.State {
		case "succeeded":
			response, err := c.get(ctx, "/result")
			if err != nil {
				return nil, err
			}
			// A result carries the function's status in a header: makes it the status again.
			if own, err := strconv.Atoi(response.Header.Get("X-Function-Status")); err == nil {
				response.StatusCode = own
				response.Status = fmt.Sprintf("%d %s", own, http.StatusText(own))
			}
			return response, nil
		case "dead", "cancelled":
			detail := fmt.Sprintf("call %s is %s: %s", c.ID, status.State, status.Reason)
			return nil, &Error{Code: "call_" + status.State, Detail: detail, Hint: "its attempts say more; a dead letter can be replayed"}
		}
		if !sleep(ctx, pause) {
			detail := fmt.Sprintf("call %s is still %s", c.ID, status.State)
			cause := ctx.Err()
			if cause == nil {
				cause = context.DeadlineExceeded
			}
			return nil, &Error{Code: "timeout", Detail: detail, Hint: "it goes on; ask for its result again later", cause: cause}
		}
	}
}
