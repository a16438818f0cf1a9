// Command quickstart deploys a function, calls it, queues a call and awaits its answer. README shows this file; the smoke test
// runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	gateless "gateless.dev/sdk-go"
	"gateless.dev/sdk-go/api"
)

func main() {
	url := os.Getenv("GATELESS_SERVER")
	if url == "" {
		url = "http://127.0.0.1:7780"
	}
	client := gateless.New(url, gateless.WithToken(os.Getenv("GATELESS_TOKEN")))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	server := "exec python3 -m http.server --bind 127.0.0.1 $PORT"
	spec := api.Spec{Kind: api.KIND_PROCESS, Process: &api.Process{Command: []string{"sh", "-c", server}}}
	if _, err := client.Apply(ctx, "site", api.ApplyRequest{Spec: spec}, 0); err != nil {
		log.Fatal(err)
	}
	if _, err := client.WaitReady(ctx, "site"); err != nil {
		log.Fatal(err)
	}

	answer, err := client.Invoke(ctx, "site")
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	fmt.Println("invoked:", answer.StatusCode)

	call, err := client.InvokeAsync(ctx, "site")
	if err != nil {
		log.Fatal(err)
	}
	result, err := call.Result(ctx)
	if err != nil {
		log.Fatal(err)
	}
	result.Body.Close()
	fmt.Println("queued:", result.StatusCode)

	_, err = client.Invoke(ctx, "nobody")
	var refused *gateless.Error
	if errors.As(err, &refused) {
		fmt.Println("refused:", refused.Status, refused.Code)
	}

	// Every other operation is generated.
	err = gateless.Check(client.API.FunctionsAPI.DeleteFunction(ctx, "default", "site").Execute())
	if err != nil {
		log.Fatal(err)
	}
}
