//! Events of every mode, right and wrong.

use http::{HeaderName, HeaderValue};

use super::*;

const JSON: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    list.iter().map(pair).collect()
}

fn json(content_type: &str, body: &str) -> Result<Vec<Event>, Bad> {
    parse(
        &headers(&[("content-type", content_type)]),
        body.to_owned().into(),
    )
}

fn one(more: &str) -> Result<Event, Bad> {
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{more}}}"#);
    json(JSON, &body).map(|mut events| events.remove(0))
}

#[test]
fn binary_events_keep_their_attributes_and_data() {
    let sent = headers(&[
        ("ce-specversion", "1.0"),
        ("ce-id", "a%20b"),
        ("ce-source", "urn:x"),
        ("ce-type", "t"),
        ("ce-subject", "Euro %E2%82%AC %F0%9F%98%80 100%"),
        ("content-type", "text/plain"),
        ("x-other", "1"),
    ]);
    let event = parse(&sent, "data".into()).unwrap().remove(0);
    assert_eq!(event.source_and_id(), ["urn:x", "a b"]);
    assert_eq!(event.attributes["subject"], "Euro € 😀 100%");
    assert_eq!(event.data(), "data");
    let out: HeaderMap = event
        .headers()
        .into_iter()
        .map(|(n, v)| {
            (
                n.parse::<HeaderName>().unwrap(),
                HeaderValue::from_maybe_shared(v).unwrap(),
            )
        })
        .collect();
    assert_eq!(
        out["ce-subject"],
        "Euro%20%E2%82%AC%20%F0%9F%98%80%20100%25"
    );
    assert_eq!(out["content-type"], "text/plain");
    assert!(!out.contains_key("x-other") && !out.contains_key("ce-datacontenttype"));
    assert_eq!(parse(&out, "data".into()), Ok(vec![event]));
}

#[test]
fn structured_data_is_what_its_type_says() {
    let check = |more: &str, data: &str, content_type: Option<&str>| {
        let event = one(more).unwrap();
        assert_eq!(event.data(), data, "{more}");
        let found = event.attributes.get(CONTENT_TYPE).map(String::as_str);
        assert_eq!(found, content_type, "{more}");
    };
    check("", "", None);
    check(r#","data":null"#, "", None);
    let json = Some("application/json");
    check(
        r#","data":{"b": 1.10, "a":[ ]}"#,
        r#"{"b": 1.10, "a":[ ]}"#,
        json,
    );
    check(r#","data":"text""#, r#""text""#, json);
    check(
        r#","datacontenttype":"a/b+json","data":"x""#,
        r#""x""#,
        Some("a/b+json"),
    );
    check(
        r#","datacontenttype":"text/xml","data":"<a/>""#,
        "<a/>",
        Some("text/xml"),
    );
    check(
        r#","datacontenttype":"text/xml","data":7"#,
        "7",
        Some("text/xml"),
    );
    check(r#","data_base64":"aGVsbG8=""#, "hello", None);
    let event = one(r#","flag":true,"number":-7,"nothing":null"#).unwrap();
    assert_eq!(event.attributes["flag"], "true");
    assert_eq!(event.attributes["number"], "-7");
    assert!(!event.attributes.contains_key("nothing"));
}

#[test]
fn what_is_wrong_is_named() {
    let check = |more: &str, name: &str| match one(more) {
        Err(Bad::Attribute { name: found, .. }) => assert_eq!(found, name, "{more}"),
        other => panic!("{more}: {other:?}"),
    };
    check(r#","data":1,"data_base64":"""#, "data_base64");
    check(r#","data_base64":"!""#, "data_base64");
    check(r#","data_base64":1"#, "data_base64");
    check(r#","time":"yesterday""#, "time");
    check(r#","dataschema":"x""#, "dataschema");
    check(r#","subject":"""#, "subject");
    check(r#","datacontenttype":"json""#, CONTENT_TYPE);
    check(r#","Upper":"x""#, "Upper");
    check(r#","under_score":"x""#, "under_score");
    check(r#","list":[]"#, "list");
    check(r#","float":1.5"#, "float");
    check(r#","control":"a\nb""#, "control");
    for missing in ["specversion", "id", "source", "type"] {
        let mut all = vec![
            ("specversion", "1.0"),
            ("id", "1"),
            ("source", "/s"),
            ("type", "t"),
        ];
        all.retain(|(name, _)| *name != missing);
        let named: Vec<_> = all.iter().map(|(n, v)| (format!("ce-{n}"), *v)).collect();
        let named: Vec<_> = named.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let error = parse(&headers(&named), Bytes::new()).unwrap_err();
        assert_eq!(error, bad(missing, "is missing"));
    }
    let old = json(
        JSON,
        r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#,
    );
    assert_eq!(old, Err(bad("specversion", "must be 1.0")));
    let space = json(
        JSON,
        r#"{"specversion":"1.0","id":"1","source":"a b","type":"t"}"#,
    );
    assert_eq!(space, Err(bad("source", "must be a URI reference")));
    assert!(matches!(json(JSON, "[]"), Err(Bad::Json(_))));
    assert!(matches!(
        json("application/cloudevents+xml", ""),
        Err(Bad::Format(_))
    ));
}

#[test]
fn batch_is_a_list_and_its_faults_have_a_place() {
    assert_eq!(json(BATCH, "[]"), Ok(vec![]));
    let good = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    assert_eq!(json(BATCH, &format!("[{good},{good}]")).unwrap().len(), 2);
    let error = json(BATCH, &format!("[{good},{{}}]")).unwrap_err();
    assert_eq!(error, in_batch(bad("specversion", "is missing"), 1));
    assert!(matches!(json(BATCH, good), Err(Bad::Json(_))));
}

#[test]
fn filter_asks_for_every_attribute() {
    let event = one(r#","region":"eu""#).unwrap();
    let wanted = |list: &[(&str, &str)]| {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        event.matches(&list.iter().map(pair).collect())
    };
    assert!(wanted(&[]) && wanted(&[("type", "t"), ("region", "eu")]));
    assert!(!wanted(&[("type", "t"), ("region", "us")]));
    assert!(!wanted(&[("other", "x")]) && !wanted(&[("type", "T")]));
}
