// GET says hello, POST gives the body back as it comes. What console.log prints becomes the function's log.

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const url = new URL(request.url);
  switch (request.method) {
    case 'GET':
      return new Response(`Hello, ${url.searchParams.get('name') ?? 'world'}, from JavaScript!\n`, {
        headers: { 'content-type': 'text/plain' },
      });
    case 'POST':
      return new Response(request.body, { headers: { 'content-type': 'application/octet-stream' } });
    default:
      return new Response(null, { status: 405 });
  }
}
