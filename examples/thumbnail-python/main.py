"""Example function: makes a small PNG of a posted PNG or PPM image.

Only the standard library: PNG is zlib and five line filters. POST the image, get the thumbnail:
?width=64 bounds its longer side. 8-bit grey, RGB and RGBA, not interlaced.
"""

import os
import signal
import struct
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MAX_BODY = 16 << 20
MAX_PIXELS = 8_000_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def read_png(data):
    """Returns width, height, channels and the raw rows as one bytearray."""
    at, packed, header = len(SIGNATURE), b"", None
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            packed += chunk
        elif kind == b"IEND":
            break
    if header is None:
        raise ValueError("no IHDR chunk")
    width, height, depth, colour, _, _, interlace = header
    if depth != 8 or colour not in CHANNELS or interlace:
        raise ValueError("only 8-bit grey, RGB and RGBA without interlacing")
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f"{width} x {height} is not between 1 and {MAX_PIXELS} pixels")
    channels = CHANNELS[colour]
    stride = width * channels
    raw = zlib.decompressobj().decompress(packed, (stride + 1) * height)
    if len(raw) < (stride + 1) * height:
        raise ValueError("the image data is too short")
    return width, height, channels, unfilter(raw, height, stride, channels)


def unfilter(raw, height, stride, step):
    """Undoes the filter each line of a PNG was given."""
    out = bytearray()
    above = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        if kind == 1:
            for i in range(step, stride):
                line[i] = (line[i] + line[i - step]) & 255
        elif kind == 2:
            for i in range(stride):
                line[i] = (line[i] + above[i]) & 255
        elif kind == 3:
            for i in range(stride):
                left = line[i - step] if i >= step else 0
                line[i] = (line[i] + (left + above[i]) // 2) & 255
        elif kind == 4:
            for i in range(stride):
                left, corner = (line[i - step], above[i - step]) if i >= step else (0, 0)
                line[i] = (line[i] + paeth(left, above[i], corner)) & 255
        elif kind != 0:
            raise ValueError(f"unknown line filter {kind}")
        out += line
        above = line
    return out


def paeth(left, up, corner):
    guess = left + up - corner
    distances = abs(guess - left), abs(guess - up), abs(guess - corner)
    if distances[0] <= distances[1] and distances[0] <= distances[2]:
        return left
    return up if distances[1] <= distances[2] else corner


def read_ppm(data):
    """Binary PPM (P6), 8 bits, as `convert x.jpg x.ppm` writes it."""
    fields, at = [], 2
    while len(fields) < 3:
        while data[at : at + 1].isspace():
            at += 1
        if data[at : at + 1] == b"#":
            at = data.index(b"\n", at)
            continue
        end = at
        while data[end : end + 1].isdigit():
            end += 1
        fields.append(int(data[at:end]))
        at = end
    width, height, top = fields
    pixels = bytearray(data[at + 1 : at + 1 + width * height * 3])
    if top != 255 or not 0 < width * height <= MAX_PIXELS or len(pixels) < width * height * 3:
        raise ValueError("not a whole 8-bit PPM of a sensible size")
    return width, height, 3, pixels


def shrink(width, height, channels, pixels, longest):
    """Each new pixel is the average of the old ones it covers (a box filter)."""
    scale = min(1.0, longest / max(width, height))
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    stride, out = width * channels, bytearray()
    for y in range(new_height):
        top = y * height // new_height
        bottom = max(top + 1, (y + 1) * height // new_height)
        for x in range(new_width):
            left = x * width // new_width
            right = max(left + 1, (x + 1) * width // new_width)
            count = (bottom - top) * (right - left)
            for c in range(channels):
                total = 0
                for row in range(top, bottom):
                    start = row * stride + c
                    total += sum(pixels[start + left * channels : start + right * channels : channels])
                out.append(total // count)
    return new_width, new_height, out


def write_png(width, height, channels, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = {v: k for k, v in CHANNELS.items()}[channels]
    stride = width * channels
    lines = b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def thumbnail(data, longest):
    if data.startswith(SIGNATURE):
        image = read_png(data)
    elif data.startswith(b"P6"):
        image = read_ppm(data)
    else:
        raise ValueError("neither PNG nor binary PPM")
    width, height, pixels = shrink(*image, longest)
    return width, height, write_png(width, height, image[2], pixels)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        length = self.headers.get("content-length")
        if length is None or not length.isdigit() or int(length) > MAX_BODY:
            # The body stays unread, so the connection cannot be used again.
            self.close_connection = True
            return self.answer(411 if length is None else 413, b"send content-length, at most 16 MiB\n")
        data = self.rfile.read(int(length))
        try:
            query = parse_qs(urlsplit(self.path).query)
            longest = min(1024, max(1, int(query.get("width", ["64"])[0])))
            width, height, png = thumbnail(data, longest)
        except (ValueError, IndexError, struct.error, zlib.error) as error:
            return self.answer(422, f"not an image this can read: {error}\n".encode())
        self.answer(200, png, "image/png", {"x-image-size": f"{width}x{height}"})

    def do_GET(self):
        self.answer(200, b"POST a PNG or PPM; ?width=64 bounds the longer side\n")

    def answer(self, status, body, kind="text/plain", headers=()):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        print(form % args, file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for the calls in flight
    request_queue_size = 128

    def __init__(self, *args):
        self.lock, self.open = threading.Lock(), set()
        super().__init__(*args)

    def finish_request(self, request, address):
        with self.lock:
            self.open.add(request)
        try:
            super().finish_request(request, address)
        finally:
            with self.lock:
                self.open.discard(request)


def main():
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()
    # The sidecar drained us before SIGTERM. No more reading: idle connections end at once, those
    # in a call after their answer.
    with server.lock:
        for connection in server.open:
            try:
                connection.shutdown(0)
            except OSError:
                pass
    server.server_close()


if __name__ == "__main__":
    main()
