//! Signs callbacks as Standard Webhooks has it (github.com/standard-webhooks, spec 1.0.0), so that whoever gets one can tell that it
//! comes from this function and is no replay.
//!
//! What is signed is `ID.TIMESTAMP.BODY` by HMAC-SHA256. A secret with several keys makes a signature with each: so keys are
//! replaced without a moment in which one side refuses the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateless_common::header as names;
use http::{HeaderValue, Request};
use ring::hmac;

/// Keys of one secret that sign; those behind them are not used.
const MAX_KEYS: usize = 4;
/// What keys in the standard's own form begin with.
const PREFIX: &str = "whsec_";

/// What a function's callbacks are signed by.
#[derive(Debug, Clone, Default)]
pub enum Signing {
    /// They are not.
    #[default]
    None,
    /// By these keys.
    Keys(Vec<hmac::Key>),
    /// They cannot be, because of this: none is sent until they can.
    Missing(String),
}

impl Signing {
    /// By the keys in a secret's value: words, each `whsec_` and base64, or taken as it stands.
    #[must_use]
    pub fn by(secret: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(secret) else {
            return Self::Missing("its value is not text".to_owned());
        };
        let mut keys = Vec::new();
        for word in text.split_ascii_whitespace().take(MAX_KEYS) {
            let key = match word.strip_prefix(PREFIX) {
                Some(encoded) => STANDARD.decode(encoded),
                None => Ok(word.as_bytes().to_vec()),
            };
            match key {
                Ok(key) if !key.is_empty() => keys.push(hmac::Key::new(hmac::HMAC_SHA256, &key)),
                _ => return Self::Missing(format!("a key after {PREFIX} is not base64")),
            }
        }
        match keys.is_empty() {
            true => Self::Missing("its value has no key".to_owned()),
            false => Self::Keys(keys),
        }
    }
}

/// Adds the three headers to a callback, sent `now` (seconds since 1970) for the call with this id. Whatever the function said in
/// their place goes.
///
/// # Errors
/// Why it cannot be signed.
pub(super) fn sign(
    request: &mut Request<Bytes>,
    signing: &Signing,
    id: &str,
    now: u64,
) -> Result<(), String> {
    let keys = match signing {
        Signing::None => return Ok(()),
        Signing::Keys(keys) => keys,
        Signing::Missing(why) => return Err(format!("it cannot be signed: {why}")),
    };
    let signatures = keys.iter().map(|key| {
        let mut context = hmac::Context::with_key(key);
        context.update(format!("{id}.{now}.").as_bytes());
        context.update(request.body());
        format!("v1,{}", STANDARD.encode(context.sign()))
    });
    let signatures = signatures.collect::<Vec<_>>().join(" ");
    let value = |text: &str| HeaderValue::try_from(text).map_err(|error| error.to_string());
    let (id, signatures) = (value(id)?, value(&signatures)?);
    let headers = request.headers_mut();
    headers.insert(names::WEBHOOK_ID, id);
    headers.insert(names::WEBHOOK_TIMESTAMP, now.into());
    headers.insert(names::WEBHOOK_SIGNATURE, signatures);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(secret: &str, body: &'static str) -> Result<String, String> {
        let mut request = Request::new(Bytes::from_static(body.as_bytes()));
        let forged = HeaderValue::from_static("v1,forged");
        request
            .headers_mut()
            .append(names::WEBHOOK_SIGNATURE, forged);
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        sign(
            &mut request,
            &Signing::by(secret.as_bytes()),
            id,
            1_614_265_330,
        )?;
        let headers = request.headers();
        assert_eq!(headers[names::WEBHOOK_ID], id);
        assert_eq!(headers[names::WEBHOOK_TIMESTAMP], "1614265330");
        assert_eq!(headers.get_all(names::WEBHOOK_SIGNATURE).iter().count(), 1);
        Ok(headers[names::WEBHOOK_SIGNATURE]
            .to_str()
            .unwrap()
            .to_owned())
    }

    #[test]
    fn signature_is_that_of_the_standards_libraries() {
        // The example of the reference implementations' tests.
        assert_eq!(
            signed(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                r#"{"test": 2432232314}"#
            )
            .unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn each_key_signs_while_they_are_replaced() {
        let both = signed("new-key old-key\n", "x").unwrap();
        let one = |key| signed(key, "x").unwrap();
        assert_eq!(both, format!("{} {}", one("new-key"), one("old-key")));
        assert_ne!(one("new-key"), one("old-key"));
    }

    #[test]
    fn what_cannot_be_signed_is_not_sent_unsigned() {
        for wrong in ["", " \n", "whsec_", "whsec_!"] {
            assert!(signed(wrong, "x").is_err(), "{wrong:?}");
        }
        assert!(matches!(Signing::by(&[0xff]), Signing::Missing(_)));
    }
}
