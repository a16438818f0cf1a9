// {{name}}: answers every call. A function is a program that serves HTTP on $PORT.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		bytes, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "hello from {{name}}: %s %s, %d bytes\n", r.Method, r.URL.RequestURI(), bytes)
	})
	// Listen on loopback only: calls come from the sidecar on this host.
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
