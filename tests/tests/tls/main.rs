//! TLS for outsiders, with real clients: which certificate they see, what functions and the dashboard hear of it, and what no
//! client can do to others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

mod fixture;
mod login;
mod reload;
mod wire;

use std::time::Duration;

use gateless_tests::{Spec, eventually, wait::when};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use fixture::Up;
use wire::{Asks, connect, shown};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_the_certificate_for_the_name_it_asks_for() {
    let up = Up::start(&[]);
    let folder = up.certificates();
    let default = connect(&up, "public_tls", &Asks::default()).await.unwrap();
    let default = shown(&default);
    let exact = up.authority.issue(&["one.shop.example"]);
    let wildcard = up.authority.issue(&["*.shop.example"]);
    exact.write(&folder, "exact");
    wildcard.write(&folder, "wildcard");
    for listener in ["public_tls", "api_tls"] {
        eventually("the new ones are taken", async || {
            let metrics = up.metrics().await;
            let taken = ["exact", "wildcard"].map(|name| {
                let one =
                    format!("gateless_tls_certificate_expires_seconds{{certificate=\"{name}\"}}");
                metrics.contains(&one)
            });
            when(taken == [true, true], metrics)
        })
        .await;
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let see = async |name| {
                let asks = Asks {
                    name,
                    version,
                    ..Asks::default()
                };
                connect(&up, listener, &asks)
                    .await
                    .map(|stream| shown(&stream))
            };
            assert_eq!(see("one.shop.example").await.unwrap(), exact.der);
            assert_eq!(see("two.shop.example").await.unwrap(), wildcard.der);
            assert_eq!(see("localhost").await.unwrap(), default);
            // No name is said of an address.
            assert_eq!(see("127.0.0.1").await.unwrap(), default);
            // It is shown the default, which is not for that name.
            assert!(see("other.example").await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_is_agreed_on_and_none_that_is_not_spoken() {
    let up = Up::start(&[]);
    let agreed = async |protocols: &[&str]| {
        let asks = Asks {
            protocols,
            ..Asks::default()
        };
        let stream = connect(&up, "public_tls", &asks).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        Ok::<_, std::io::Error>(agreed.map(|name| String::from_utf8_lossy(name).into_owned()))
    };
    assert_eq!(agreed(&["http/1.1", "h2"]).await.unwrap().unwrap(), "h2");
    assert_eq!(agreed(&["http/1.1"]).await.unwrap().unwrap(), "http/1.1");
    assert_eq!(agreed(&[]).await.unwrap(), None);
    assert!(agreed(&["smtp"]).await.is_err());
}

/// A header that the function saw.
fn header<'a>(seen: &'a Value, name: &str) -> &'a str {
    let mut all = seen["headers"].as_array().unwrap().iter();
    let found = all.find(|pair| pair[0] == name);
    found.unwrap_or_else(|| panic!("no {name}: {seen}"))[1]
        .as_str()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_hear_that_their_caller_came_over_tls() {
    let up = Up::start(&[]);
    up.deploy("app").await;
    let clients = [up.client_of_http1(), up.client()];
    for (client, version) in clients
        .into_iter()
        .zip([http::Version::HTTP_11, http::Version::HTTP_2])
    {
        let calls = up.calls_by(client);
        let url = format!("{}/function/app/headers", calls.base);
        let answer = calls.client.get(&url).send().await.unwrap();
        assert_eq!(answer.version(), version);
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(header(&seen, "x-forwarded-proto"), "https", "{seen}");
        let forwarded = header(&seen, "forwarded");
        assert!(forwarded.contains("proto=https"), "{seen}");
    }
    let plain = gateless_tests::Caller::new(up.process.address("public"));
    let seen: Value = plain.get("/function/app/headers").await.expect(200).json();
    assert_eq!(header(&seen, "x-forwarded-proto"), "http", "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_over_the_servers_own_tls() {
    let up = Up::start(&[]);
    let mut api = up.api();
    api.client = up.client_of_http1().build().unwrap();
    let body = json!({"token": up.process.admin_token()});
    let url = format!("{}/v1/session", api.base);
    let own = |request: reqwest::RequestBuilder| request.header("sec-fetch-site", "same-origin");
    // A name that is no browser's own machine.
    let host = "gateless.example";
    let begun = own(api.client.post(&url)).header("host", host).json(&body);
    let begun = begun.send().await.unwrap();
    assert_eq!(begun.status(), 204);
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-gateless_session="), "{cookie}");
    assert!(cookie.contains("Path=/; Secure"), "{cookie}");
    // Browsers apply it to every port of the host, some of which speak no TLS here.
    assert!(!begun.headers().contains_key("strict-transport-security"));
    let cookie = cookie.split(';').next().unwrap();
    let who = own(api.client.get(&url)).header("host", host);
    let who = who.header("cookie", cookie).send().await.unwrap();
    assert_eq!(who.status(), 200);
    let plain = gateless_tests::http::client().build().unwrap();
    let plain = plain.post(format!("{}/v1/session", up.process.address("api")));
    let plain = own(plain)
        .header("host", host)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 400, "over http it is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_and_grpc_go_over_tls() {
    let up = Up::start(&[]);
    up.deploy("talk").await;
    let api = up.api();
    let h2c = Spec::new().with("protocol", "h2c");
    api.apply("two", &h2c.with("scaling/initial_scale", 1))
        .await;
    api.wait_ready("two").await;
    let asks = Asks {
        protocols: &["http/1.1"],
        ..Asks::default()
    };
    let mut stream = connect(&up, "public_tls", &asks).await.unwrap();
    let head =
        "GET /function/talk/ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let message: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (mut read, mut write) = tokio::io::split(stream);
    let sent = message.clone();
    let writing = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.flush().await.unwrap();
        write
    });
    let mut back = vec![0; message.len()];
    read.read_exact(&mut back).await.unwrap();
    assert!(back == message);
    drop(writing.await.unwrap());

    let asks = Asks {
        protocols: &["h2"],
        ..Asks::default()
    };
    let stream = connect(&up, "public_tls", &asks).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let message = bytes::Bytes::from_static(b"\0\0\0\0\x02hi");
    let request = http::Request::post("https://localhost/function/two/grpc.Test/Unary")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(http_body_util::Full::new(message.clone()));
    let response = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), message);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_handshake_and_garbage_keep_no_place() {
    let up = Up::start(&["--head-timeout", "1s", "--max-connections", "16"]);
    up.deploy("app").await;
    // A head of a handshake that says there is more, and what is no handshake at all.
    let begun: [&[u8]; 5] = [
        b"",
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for listener in ["public_tls", "api_tls"] {
        let mut open = Vec::new();
        for bytes in begun.iter().cycle().take(40) {
            let mut tcp = TcpStream::connect(up.address(listener)).await.unwrap();
            tcp.write_all(bytes).await.ok();
            open.push(tcp);
        }
        // Somebody else is answered meanwhile, or once the first of them have had their time.
        let asked = up.calls().get("/function/app/").await;
        assert_eq!(asked.status, 200);
        assert!(up.api().get("/version").await["version"].is_string());
        for mut tcp in open {
            let mut rest = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(60), tcp.read_to_end(&mut rest));
            ended.await.unwrap().ok();
            assert!(!rest.starts_with(b"HTTP"), "it is answered in clear");
        }
    }
    let metrics = up.metrics().await;
    let failed = metrics
        .lines()
        .find(|line| line.contains("tls_handshakes_total{result=\"failed\"}"));
    let failed: f64 = failed.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(failed >= 40.0, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_clear_is_sent_to_https() {
    let up = Up::start(&["--https-redirect"]);
    up.deploy("app").await;
    let client = gateless_tests::http::client();
    let client = client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for (plain, secure, path) in [
        ("public", "public_tls", "/function/app/?x=1"),
        ("api", "api_tls", "/v1/functions?x=1"),
    ] {
        let url = format!("http://localhost:{}{path}", up.port(plain));
        let sent = client.post(&url).body("x").send().await.unwrap();
        assert_eq!(sent.status(), 308);
        let to = format!("https://localhost:{}{path}", up.port(secure));
        assert_eq!(sent.headers()["location"], to.as_str());
        // A proxy in front of it that has its own TLS says so.
        let proxied = client.get(&url).header("x-forwarded-proto", "https");
        assert!(proxied.send().await.unwrap().status() != 308);
        // Who was told once comes with TLS to any port.
        let url = format!("https://localhost:{}{path}", up.port(plain));
        let secure = up.client().build().unwrap().get(&url).send().await.unwrap();
        assert!(
            [200, 401].contains(&secure.status().as_u16()),
            "{}",
            secure.status()
        );
        let told = secure.headers().get("strict-transport-security");
        assert_eq!(told.is_some(), plain == "api");
    }
    // The sidecar's relay says how its caller came.
    let token = up.process.admin_token();
    let relayed = up
        .calls()
        .client
        .request(Method::GET, format!("{}/system/functions", up.calls().base));
    let relayed = relayed
        .basic_auth("admin", Some(token))
        .send()
        .await
        .unwrap();
    assert_eq!(relayed.status(), 200);
}
