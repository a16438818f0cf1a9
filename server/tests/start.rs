//! A whole server on free ports: what it keeps over a restart, and that it ends.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::path::Path;

use gateless_server::{
    Config, Error, RecoverError, Running, SecretsKeyError, SecretsKeySource, run,
};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

fn config(data: &Path) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config {
        listen: any,
        grpc_listen: any,
        data: data.to_owned(),
        images: None,
        tls: None,
        connections: gateless_listen::Options::default(),
        identity: gateless_server::identity::Settings::default(),
        secrets_key: SecretsKeySource::own_in(data),
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

async fn status(server: &Running, path: &str, token: &str) -> u16 {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let request = http::Request::get(format!("http://{}{path}", server.api))
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::new())
        .unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn the_first_token_is_made_once_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let server = run(config.clone()).await.unwrap();
    assert_ne!(server.api.port(), 0);
    assert_ne!(server.grpc.port(), 0);
    let first = server.admin_token().await.unwrap().unwrap();
    let (file, token) = (first.file.clone(), first.token.clone());
    assert_eq!(read(&file), token);
    assert!(!format!("{first:?}").contains(&token));
    assert_eq!(status(&server, "/v1/version", &token).await, 200);
    let second = run(config.clone()).await;
    let locked = |error: &Error| matches!(error, Error::Catalogue(SecretsKeyError::Store(_)));
    assert!(second.as_ref().is_err_and(locked));
    server.shutdown().await;

    let again = run(config).await.unwrap();
    assert_eq!(again.admin_token().await.unwrap(), Some(first));
    assert_eq!(status(&again, "/v1/version", &token).await, 200);
    assert_eq!(status(&again, "/v1/version", "x").await, 401);
    // Who took it away, or has another there, has the token elsewhere.
    for left in [Some("x"), None] {
        match left {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        assert_eq!(again.admin_token().await.unwrap(), None);
    }
    again.shutdown().await;
}

#[tokio::test]
async fn a_server_that_does_not_start_leaves_its_folder_free() {
    let folder = tempfile::tempdir().unwrap();
    let good = config(folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = Config {
        listen: taken.local_addr().unwrap(),
        ..good.clone()
    };
    assert!(matches!(run(busy).await, Err(Error::Listen { .. })));
    let images = Config {
        images: Some(folder.path().join("none.toml")),
        ..good.clone()
    };
    assert!(matches!(run(images).await, Err(Error::Images(_))));
    // Nobody was given a token yet, so none is lost.
    let server = run(good).await.unwrap();
    assert!(server.admin_token().await.unwrap().is_some());
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_whose_last_admin_is_gone_starts_and_makes_another() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let server = run(config.clone()).await.unwrap();
    let first = server.admin_token().await.unwrap().unwrap().token;
    let tokens = format!("http://{}/v1/tokens", server.api);
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let ask = async |method: &str, uri: String| {
        let request = http::Request::builder().method(method).uri(uri);
        let request = request.header("authorization", format!("Bearer {first}"));
        let answer = client
            .request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let list: serde_json::Value =
        serde_json::from_slice(&ask("GET", tokens.clone()).await).unwrap();
    let id = list["items"][0]["id"].as_str().unwrap();
    ask("DELETE", format!("{tokens}/{id}")).await;
    assert_eq!(status(&server, "/v1/version", &first).await, 401);
    server.shutdown().await;

    // The file cannot be written: no token is made that nobody has.
    let file = folder.path().join("admin-token");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(file.join("in-the-way")).unwrap();
    let server = run(config.clone()).await.unwrap();
    assert!(server.admin_token().await.is_err());
    std::fs::remove_dir_all(&file).unwrap();
    let second = server.admin_token().await.unwrap().unwrap().token;
    assert_eq!(status(&server, "/v1/tokens", &second).await, 200);
    server.shutdown().await;
}

#[tokio::test]
async fn who_has_the_folder_of_a_stopped_server_gets_back_in() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let keys = SecretsKeySource::own_in(folder.path());
    let recover = || gateless_server::recover(folder.path(), &keys);
    let none = recover().await.unwrap_err();
    assert!(matches!(none, RecoverError::NoCatalogue(_)), "{none}");
    let config = config(folder.path());
    let server = run(config.clone()).await.unwrap();
    let busy = recover().await.unwrap_err();
    let locked = matches!(busy, RecoverError::Catalogue(SecretsKeyError::Store(_)));
    assert!(locked, "{busy}");
    server.shutdown().await;

    for _ in 0..2 {
        let path = recover().await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let token = std::fs::read_to_string(path).unwrap();
        let server = run(config.clone()).await.unwrap();
        assert_eq!(status(&server, "/v1/tokens", token.trim()).await, 200);
        server.shutdown().await;
    }
}
