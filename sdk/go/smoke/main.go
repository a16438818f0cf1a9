// Command smoke tries what the package promises on a live server. Started by sdk/test.py, which says where that is.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	gateless "gateless.dev/sdk-go"
	"gateless.dev/sdk-go/api"
)

type smoke struct {
	client *gateless.Client
	name   string
}

func main() {
	s := smoke{
		client: gateless.New(os.Getenv("GATELESS_SERVER"), gateless.WithToken(os.Getenv("GATELESS_TOKEN"))),
		name:   os.Getenv("SDK_FUNCTION"),
	}
	checks := []struct {
		name string
		run  func(context.Context) error
	}{
		{"create", s.create}, {"wait", s.wait}, {"invoke", s.invoke}, {"dead letter", s.deadLetter}, {"async", s.queue},
		{"scale", s.scale}, {"deadline", s.deadline},
		{"404", s.notFound}, {"412", s.changedMeanwhile}, {"stream", s.stream}, {"unreachable", s.unreachable},
		{"failover", s.failover}, {"retry", s.retry}, {"resume", s.resume}, {"endless", s.endless},
		{"events", s.events}, {"delete", s.delete},
	}
	done := []string{}
	for _, check := range checks {
		if check.name == "events" && os.Getenv("SDK_EVENTS") == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := check.run(ctx); err != nil {
			log.Fatalf("%s: %v", check.name, err)
		}
		cancel()
		done = append(done, check.name)
	}
	summary, _ := json.Marshal(map[string]any{"sdk": "go", "checks": done})
	fmt.Println(string(summary))
}

// failure is nil if err is what must have happened.
func failure(err error, status int, code string) error {
	var failed *gateless.Error
	if !errors.As(err, &failed) || failed.Status != status || failed.Code != code {
		return fmt.Errorf("%d %s expected, not %v", status, code, err)
	}
	return nil
}

func (s smoke) apply(ctx context.Context, version int64, labels map[string]string) (*api.Function, error) {
	one := int32(1)
	spec := api.Spec{
		Kind: api.KIND_PROCESS, Process: &api.Process{Command: []string{"python3", os.Getenv("SDK_ECHO")}},
		Async: &api.AsyncPolicy{MaxAttempts: &one}, Limits: &api.Limits{ContainerConcurrency: &one},
	}
	request := api.ApplyRequest{Spec: spec}
	if labels != nil {
		request.Labels = &labels
	}
	return s.client.Apply(ctx, s.name, request, version)
}

// answered calls and reads what echo.py says.
func (s smoke) answered(response *http.Response, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	said := map[string]any{"status": response.StatusCode}
	return said, json.NewDecoder(response.Body).Decode(&said)
}

func (s smoke) create(ctx context.Context) error {
	made, err := s.apply(ctx, 0, map[string]string{"sdk": "go"})
	if err != nil {
		return err
	}
	list := s.client.API.FunctionsAPI.ListFunctions(ctx, s.client.Namespace).Label("sdk=go")
	listed, err := gateless.Do(list.Execute())
	if err != nil {
		return err
	}
	if made.Name != s.name || len(listed.Items) != 1 || listed.Items[0].Name != s.name {
		return fmt.Errorf("made %v, listed %v", made, listed)
	}
	return nil
}

func (s smoke) wait(ctx context.Context) error {
	_, err := s.client.WaitReady(ctx, s.name)
	return err
}

func (s smoke) invoke(ctx context.Context) error {
	said, err := s.answered(s.client.Invoke(ctx, s.name, gateless.Path("/a?b=c"), gateless.Body([]byte("hello"))))
	if err != nil {
		return err
	}
	if said["method"] != "POST" || said["path"] != "/a?b=c" || said["body"] != "hello" {
		return fmt.Errorf("%v", said)
	}
	own, err := s.answered(s.client.Invoke(ctx, s.name, gateless.Path("/status/404")))
	if err != nil || own["status"] != 404 {
		return fmt.Errorf("a function's own 404 is its answer, not %v, %v", own, err)
	}
	return nil
}

func (s smoke) queue(ctx context.Context) error {
	options := []gateless.InvokeOption{
		gateless.Path("/later"), gateless.Body([]byte("x")), gateless.IdempotencyKey("key-" + s.name),
	}
	call, err := s.client.InvokeAsync(ctx, s.name, options...)
	if err != nil {
		return err
	}
	said, err := s.answered(call.Result(ctx))
	if err != nil || said["status"] != 200 || said["path"] != "/later" {
		return fmt.Errorf("%v, %v", said, err)
	}
	again, err := s.client.InvokeAsync(ctx, s.name, options...)
	if err != nil || again.ID != call.ID {
		return fmt.Errorf("the same key is the same call: %v, %v", again, err)
	}
	status, err := s.client.Call(call.ID, call.Token).Status(ctx)
	if err != nil || status.State != "succeeded" || len(status.Attempts) != 1 {
		return fmt.Errorf("%+v, %v", status, err)
	}
	return nil
}

func (s smoke) deadLetter(ctx context.Context) error {
	call, err := s.client.InvokeAsync(ctx, s.name, gateless.Path("/fails-once/go"), gateless.Body([]byte("x")))
	if err != nil {
		return err
	}
	_, err = call.Result(ctx)
	if wrong := failure(err, 0, "call_dead"); wrong != nil {
		return wrong
	}
	letters := s.client.API.DeadLettersAPI
	found, err := gateless.Do(letters.ListDeadLetters(ctx, s.client.Namespace, s.name).Execute())
	if err != nil || len(found.Items) != 1 || found.Items[0].Id != call.ID {
		return fmt.Errorf("%+v, %v", found, err)
	}
	replay := letters.ReplayDeadLetters(ctx, s.client.Namespace, s.name).ReplayRequest(api.ReplayRequest{})
	replayed, err := gateless.Do(replay.Execute())
	if err != nil || replayed.Count != 1 {
		return fmt.Errorf("%+v, %v", replayed, err)
	}
	said, err := s.answered(call.Result(ctx))
	if err != nil || said["status"] != 200 {
		return fmt.Errorf("%v, %v", said, err)
	}
	return nil
}

func (s smoke) scale(ctx context.Context) error {
	const calls = 4
	answers := make(chan error, calls)
	for i := 0; i < calls; i++ {
		go func() {
			said, err := s.answered(s.client.Invoke(ctx, s.name, gateless.Path("/slow")))
			if err == nil && said["status"] != 200 {
				err = fmt.Errorf("%v", said)
			}
			answers <- err
		}()
	}
	for ready := 0; ready < 2; {
		if len(answers) == calls {
			return errors.New("one instance took all calls, one after the other")
		}
		found, err := gateless.Do(s.client.API.InstancesAPI.ListInstances(ctx, s.client.Namespace, s.name).Execute())
		if err != nil {
			return err
		}
		ready = 0
		for _, instance := range found.Items {
			if instance.State == "ready" {
				ready++
			}
		}
	}
	for i := 0; i < calls; i++ {
		if err := <-answers; err != nil {
			return err
		}
	}
	return nil
}

func (s smoke) deadline(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err := s.client.Invoke(ctx, s.name, gateless.Path("/slow"), gateless.Method("POST"))
	// Whoever is first to notice says so.
	if gateless.CodeOf(err) == "timeout" && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return failure(err, 504, "deadline_exceeded")
}

func (s smoke) notFound(ctx context.Context) error {
	_, err := gateless.Do(s.client.API.FunctionsAPI.GetFunction(ctx, s.client.Namespace, "nobody").Execute())
	if wrong := failure(err, 404, "function_not_found"); wrong != nil || !strings.Contains(err.Error(), "nobody") {
		return fmt.Errorf("%v, %v", err, wrong)
	}
	_, err = s.client.Invoke(ctx, "nobody")
	return failure(err, 404, "function_not_found")
}

func (s smoke) changedMeanwhile(ctx context.Context) error {
	seen, err := gateless.Do(s.client.API.FunctionsAPI.GetFunction(ctx, s.client.Namespace, s.name).Execute())
	if err != nil {
		return err
	}
	if _, err := s.apply(ctx, seen.Version, map[string]string{"sdk": "go", "changed": "yes"}); err != nil {
		return err
	}
	_, err = s.apply(ctx, seen.Version, nil)
	return failure(err, 412, "precondition_failed")
}

func (s smoke) stream(ctx context.Context) error {
	lines, err := s.client.Logs(ctx, s.name, gateless.LogOptions{Follow: true, Tail: 10})
	if err != nil {
		return err
	}
	defer lines.Close()
	marker := fmt.Sprintf("/marker-%d", os.Getpid())
	if _, err := s.answered(s.client.Invoke(ctx, s.name, gateless.Path(marker))); err != nil {
		return err
	}
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return errors.New("the stream ended")
		}
		if err != nil || strings.Contains(line.Line, marker) {
			return err
		}
	}
}

func (s smoke) unreachable(ctx context.Context) error {
	nowhere := gateless.New("http://127.0.0.1:1", gateless.WithRetry(gateless.RetryPolicy{Attempts: 2, Base: time.Millisecond}))
	_, err := nowhere.WaitReady(ctx, "x")
	return failure(err, 0, "unreachable")
}

func faulty(more ...gateless.Option) *gateless.Client {
	retry := gateless.DefaultRetry
	retry.Base = time.Millisecond
	options := append([]gateless.Option{gateless.WithToken("t"), gateless.WithRetry(retry)}, more...)
	return gateless.New(os.Getenv("SDK_FAKE"), options...)
}

// The first sidecar of the list is gone, the second refuses once: a POST without a key goes on to it, and no further.
func (s smoke) failover(ctx context.Context) error {
	options := []gateless.InvokeOption{gateless.Path("/go/once"), gateless.Body([]byte("x"))}
	_, err := faulty().Invoke(ctx, "flaky", options...)
	if err := failure(err, 503, "overflow"); err != nil {
		return err
	}
	said, err := s.answered(faulty().Invoke(ctx, "flaky", options...))
	if err != nil || said["attempt"] != 2.0 {
		return fmt.Errorf("%v, %v", said, err)
	}
	return nil
}

func (s smoke) retry(ctx context.Context) error {
	options := []gateless.InvokeOption{gateless.Path("/go/keyed"), gateless.Body([]byte("x")), gateless.IdempotencyKey("k")}
	said, err := s.answered(faulty().Invoke(ctx, "flaky", options...))
	if err != nil || said["attempt"] != 2.0 {
		return fmt.Errorf("%v, %v", said, err)
	}
	return nil
}

func (s smoke) resume(ctx context.Context) error {
	events := faulty().Events(ctx, gateless.EventOptions{})
	defer events.Close()
	for number := 1; number <= 3; number++ {
		event, err := events.Next()
		if err != nil {
			return err
		}
		if event.ID != fmt.Sprintf("e-%d", number) || event.Type != "function" {
			return fmt.Errorf("event %d is %+v", number, event)
		}
	}
	return nil
}

func (s smoke) endless(ctx context.Context) error {
	events := faulty(gateless.WithNamespace("endless")).Events(ctx, gateless.EventOptions{})
	defer events.Close()
	if event, err := events.Next(); err != nil || event.ID != "e-1" {
		return fmt.Errorf("%+v, %v", event, err)
	}
	if _, err := events.Next(); gateless.CodeOf(err) != "bad_answer" {
		return fmt.Errorf("an event without an end: %v", err)
	}
	return nil
}

func (s smoke) events(ctx context.Context) error {
	events := s.client.Events(ctx, gateless.EventOptions{Types: []string{"hello", "function"}})
	defer events.Close()
	hello, err := events.Next()
	if err != nil || hello.Type != "hello" {
		return fmt.Errorf("%v, %v", hello, err)
	}
	if _, err := s.apply(ctx, 0, map[string]string{"event": "yes"}); err != nil {
		return err
	}
	for {
		event, err := events.Next()
		if err != nil {
			return err
		}
		var data struct{ Function string }
		if err := json.Unmarshal(event.Data, &data); err != nil {
			return err
		}
		if event.Type == "function" && data.Function == s.name {
			return nil
		}
	}
}

func (s smoke) delete(ctx context.Context) error {
	return gateless.Check(s.client.API.FunctionsAPI.DeleteFunction(ctx, s.client.Namespace, s.name).Execute())
}
