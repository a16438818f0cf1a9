//! An OpenFaaS gateway's management paths, asked what `faas-cli` 0.18 asks.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, Server};
use http::StatusCode;
use serde_json::{Value, json};

struct Cli {
    server: Server,
    authorization: String,
}

impl Cli {
    /// `faas-cli login --username admin --password TOKEN`
    async fn login() -> Self {
        let server = Server::start().await;
        let token = server.admin().await;
        let pair = STANDARD.encode(format!("admin:{token}"));
        Self {
            server,
            authorization: format!("Basic {pair}"),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let headers = [("authorization", self.authorization.as_str())];
        self.server.with(method, path, None, &headers, body).await
    }

    #[track_caller]
    fn text(answer: &Answer) -> String {
        String::from_utf8(answer.bytes.to_vec()).unwrap()
    }

    async fn names(&self) -> Vec<String> {
        let listed = self.ask("GET", "/system/functions", None).await;
        assert_eq!(listed.status, StatusCode::OK);
        let listed = listed.body.as_array().cloned().unwrap();
        let name = |function: &Value| function["name"].as_str().unwrap().to_owned();
        listed.iter().map(name).collect()
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let mut cli = Cli::login().await;
    cli.authorization = format!("Basic {}", STANDARD.encode("admin:wrong"));
    let answer = cli.ask("GET", "/system/functions", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_function_is_deployed_described_scaled_and_removed() {
    let cli = Cli::login().await;
    let secret = json!({"name": "api-key", "value": "v1"});
    let made = cli
        .ask("POST", "/system/secrets", Some(secret.clone()))
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let again = cli
        .ask("POST", "/system/secrets", Some(secret.clone()))
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let deployment = json!({
        "service": "echo", "image": "acme/echo:1", "namespace": "openfaas-fn",
        "envVars": {"MODE": "fast"}, "secrets": ["api-key"],
        "labels": {"com.openfaas.scale.zero": "true"}, "annotations": {"topic": "x"},
    });
    // It updates first, and deploys when there is nothing to update.
    let update = cli
        .ask("PUT", "/system/functions", Some(deployment.clone()))
        .await;
    assert_eq!(update.status, StatusCode::NOT_FOUND);
    let deploy = cli
        .ask("POST", "/system/functions", Some(deployment.clone()))
        .await;
    assert_eq!(
        deploy.status,
        StatusCode::ACCEPTED,
        "{}",
        Cli::text(&deploy)
    );
    let update = cli.ask("PUT", "/system/functions", Some(deployment)).await;
    assert_eq!(update.status, StatusCode::ACCEPTED);
    assert_eq!(cli.names().await, ["echo"]);

    let path = "/system/function/echo?namespace=openfaas-fn&usage=1";
    let shown = cli.ask("GET", path, None).await.body;
    assert_eq!(shown["image"], "acme/echo:1");
    assert_eq!(shown["envVars"]["MODE"], "fast");
    assert_eq!(shown["annotations"]["topic"], "x");
    assert_eq!(shown["secrets"], json!(["api-key"]));

    let replicas = Some(json!({"serviceName": "echo", "replicas": 3}));
    let scaled = cli
        .ask("POST", "/system/scale-function/echo", replicas)
        .await;
    assert_eq!(scaled.status, StatusCode::ACCEPTED);
    let replicas = Some(json!({"serviceName": "echo", "replicas": 21}));
    let beyond = cli
        .ask("POST", "/system/scale-function/echo", replicas)
        .await;
    assert_eq!(beyond.status, StatusCode::BAD_REQUEST);
    assert!(Cli::text(&beyond).contains("com.openfaas.scale.max"));
    let ours = "/v1/namespaces/default/functions/echo";
    let ours = cli.server.admin_call("GET", ours, None).await.body;
    assert_eq!(ours["spec"]["scaling"]["min_scale"], 3);
    assert_eq!(ours["spec"]["secrets"][0]["env"], "API_KEY");

    let gone = Some(json!({"functionName": "echo"}));
    let removed = cli.ask("DELETE", "/system/functions", gone.clone()).await;
    assert_eq!(removed.status, StatusCode::ACCEPTED);
    let removed = cli.ask("DELETE", "/system/functions", gone).await;
    assert_eq!(removed.status, StatusCode::NOT_FOUND);
    assert!(cli.names().await.is_empty());

    let updated = cli.ask("PUT", "/system/secrets", Some(secret)).await;
    assert_eq!(updated.status, StatusCode::ACCEPTED);
    let listed = cli.ask("GET", "/system/secrets", None).await.body;
    assert_eq!(listed, json!([{"name": "api-key", "namespace": "default"}]));
    let name = Some(json!({"name": "api-key"}));
    let removed = cli.ask("DELETE", "/system/secrets", name).await;
    assert_eq!(removed.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_image_may_stand_for_a_component() {
    let cli = Cli::login().await;
    let deploy = async |image: &str| {
        let deployment = json!({"service": "hello", "image": image});
        cli.ask("POST", "/system/functions", Some(deployment)).await
    };
    let refused = deploy("acme/module:1").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let text = Cli::text(&refused);
    assert!(text.contains("component"), "{text}");
    let made = deploy("acme/hello:1").await;
    assert_eq!(made.status, StatusCode::ACCEPTED, "{}", Cli::text(&made));
    let uri = "/v1/namespaces/default/functions/hello";
    let spec = &cli.server.admin_call("GET", uri, None).await.body["spec"];
    assert_eq!(spec["kind"], "wasm");
    assert!(spec["wasm"]["component"]["size"].as_u64().unwrap() > 0);
    assert_eq!(cli.names().await, ["hello"]);
}

#[tokio::test]
async fn an_image_that_is_in_no_table_is_run_as_it_is() {
    let cli = Cli::login().await;
    let deployment = json!({
        "service": "other", "image": "acme/other:1", "envProcess": "cat", "readOnlyRootFilesystem": true,
        "limits": {"cpu": "500m", "memory": "64Mi"},
    });
    let made = cli.ask("POST", "/system/functions", Some(deployment)).await;
    assert_eq!(made.status, StatusCode::ACCEPTED, "{}", Cli::text(&made));
    let uri = "/v1/namespaces/default/functions/other";
    let spec = &cli.server.admin_call("GET", uri, None).await.body["spec"];
    assert_eq!(spec["kind"], "container");
    let container = &spec["container"];
    assert_eq!(container["image"], "acme/other:1");
    assert_eq!(container["read_only_root"], true);
    assert_eq!(container["cpu_millicores"], 500);
    assert_eq!(container["memory_bytes"], 64 << 20);
    assert_eq!(spec["env"]["fprocess"], "cat");
}

#[tokio::test]
async fn what_cannot_be_had_is_said_in_plain_words() {
    let cli = Cli::login().await;
    let none = json!({"service": "x", "image": "http://acme/other"});
    let refused = cli.ask("POST", "/system/functions", Some(none)).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    assert!(
        Cli::text(&refused).contains("image"),
        "{}",
        Cli::text(&refused)
    );
    let limited = json!({"service": "x", "image": "acme/echo:1", "limits": {"cpu": "little"}});
    let refused = cli.ask("POST", "/system/functions", Some(limited)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(Cli::text(&refused).starts_with("limits.cpu: "));
    for path in ["/system/namespace/", "/system/namespace/mine"] {
        let made = cli.ask("POST", path, Some(json!({"name": "mine"}))).await;
        assert_eq!(made.status, StatusCode::NOT_IMPLEMENTED);
        assert!(Cli::text(&made).starts_with("a namespace is there"));
    }
}

#[tokio::test]
async fn namespaces_are_those_something_is_in() {
    let cli = Cli::login().await;
    let deployment = json!({"service": "echo", "image": "acme/echo:1", "namespace": "team-a"});
    cli.ask("POST", "/system/functions", Some(deployment)).await;
    let listed = cli.ask("GET", "/system/namespaces", None).await;
    assert_eq!(listed.body, json!(["default", "team-a"]));
    let shown = cli.ask("GET", "/system/namespace/team-a", None).await;
    assert_eq!(shown.body["name"], "team-a");
    let shown = cli.ask("GET", "/system/namespace/nobody", None).await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
    let info = cli.ask("GET", "/system/info", None).await.body;
    assert_eq!(info["provider"]["orchestration"], "gateless");
}
