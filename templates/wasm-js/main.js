// {{name}}: answers every call. A component that handles HTTP requests, run inside the sidecar.
// What console.log prints is in `gateless logs {{name}}`.

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const url = new URL(request.url);
  const body = await request.arrayBuffer();
  const text = `hello from {{name}}: ${request.method} ${url.pathname}${url.search}, ${body.byteLength} bytes\n`;
  return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
}
