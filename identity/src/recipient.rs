//! Secrets sealed to who may read them: HPKE (RFC 9180, base mode) with X25519, HKDF-SHA256 and ChaCha20-Poly1305.
//!
//! A sidecar makes a key pair, tells its public half on the connection that proves who it is, and is sent secrets sealed to
//! that. As they came they lie on its disk. Who sealed something this does not say: that is the connection's business.

use std::fmt;

use gateless_proto::v1;
use gateless_proto::v1::resource::Kind;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal,
};
use prost::Message as _;
use ring::digest::{SHA256, digest};
use zeroize::{Zeroize as _, Zeroizing};

use crate::seal::Unopened;

type Suite = X25519HkdfSha256;
type PublicKey = <Suite as Kem>::PublicKey;
type PrivateKey = <Suite as Kem>::PrivateKey;
type Encapsulated = <Suite as Kem>::EncappedKey;

/// Keeps what is sealed here apart from anything else sealed to the same key.
const INFO: &[u8] = b"gateless secret 1";
/// Bytes of a key's id.
const ID_BYTES: usize = 8;
/// Bytes of an encapsulated key.
const ENCAPSULATED_BYTES: usize = 32;

/// Whom something is sealed to: a public key.
#[derive(Clone)]
pub struct Recipient {
    key: PublicKey,
    id: Vec<u8>,
}

impl Recipient {
    /// Of the bytes that somebody told; `None`: they are no key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        PublicKey::from_bytes(bytes).ok().map(Self::new)
    }

    fn new(key: PublicKey) -> Self {
        let id = digest(&SHA256, &key.to_bytes());
        let id = id.as_ref()[..ID_BYTES].to_vec();
        Self { key, id }
    }

    /// To be told to who seals.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.key.to_bytes().to_vec()
    }

    /// A resource that only the recipient reads, in the place of the one given.
    ///
    /// # Errors
    /// [`Unopened`] for a key that seals nothing, such as zero.
    pub fn seal(&self, name: &str, resource: &v1::Resource) -> Result<v1::Resource, Unopened> {
        let plain = Zeroizing::new(resource.encode_to_vec());
        let sealed = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Suite, _>(
            &OpModeS::Base,
            &self.key,
            INFO,
            &plain,
            name.as_bytes(),
            &mut rand::rng(),
        );
        let (encapsulated, ciphertext) = sealed.map_err(|_| Unopened)?;
        let sealed = [&encapsulated.to_bytes()[..], &ciphertext].concat();
        Ok(v1::Resource {
            sealed: Some(v1::SealedResource {
                key_id: self.id.clone(),
                sealed,
            }),
            ..v1::Resource::default()
        })
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", hex::encode(&self.id))
    }
}

/// What opens what is sealed to its [`Recipient`].
pub struct OpeningKey {
    private: PrivateKey,
    recipient: Recipient,
}

impl OpeningKey {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        let (private, public) = Suite::gen_keypair(&mut rand::rng());
        let recipient = Recipient::new(public);
        Self { private, recipient }
    }

    /// Of its bytes; `None`: they are no key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let private = PrivateKey::from_bytes(bytes).ok()?;
        let recipient = Recipient::new(Suite::sk_to_pk(&private));
        Some(Self { private, recipient })
    }

    /// To be kept where nobody else reads.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.private.to_bytes().to_vec())
    }

    /// Its public half.
    #[must_use]
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// What was sealed as `name`; `None`: the resource is not sealed.
    ///
    /// # Errors
    /// [`Unopened`] when it was sealed to another key or as something else, or altered.
    pub fn open(
        &self,
        name: &str,
        resource: &v1::Resource,
    ) -> Result<Option<v1::Resource>, Unopened> {
        let Some(sealed) = &resource.sealed else {
            return Ok(None);
        };
        if sealed.key_id != self.recipient.id {
            return Err(Unopened);
        }
        let parts = sealed.sealed.split_at_checked(ENCAPSULATED_BYTES);
        let (encapsulated, ciphertext) = parts.ok_or(Unopened)?;
        let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(|_| Unopened)?;
        let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &OpModeR::Base,
            &self.private,
            &encapsulated,
            INFO,
            ciphertext,
            name.as_bytes(),
        );
        let plain = Zeroizing::new(opened.map_err(|_| Unopened)?);
        v1::Resource::decode(&plain[..])
            .map(Some)
            .map_err(|_| Unopened)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningKey(.., {:?})", self.recipient)
    }
}

/// Wipes the values of a secret from memory, in the message it came in.
pub fn wipe(resource: &mut v1::Resource) {
    if let Some(Kind::Secret(secret)) = &mut resource.kind {
        secret.data.values_mut().for_each(|value| value.zeroize());
        let records = resource.records.iter_mut();
        records.for_each(|record| record.value.zeroize());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> v1::Resource {
        let data = [("key".to_owned(), b"hunter2".to_vec())];
        v1::Resource {
            kind: Some(Kind::Secret(v1::Secret {
                namespace: "shop".to_owned(),
                name: "db".to_owned(),
                data: data.into(),
                generation: 7,
            })),
            records: vec![v1::Record {
                key: "secrets/shop/db".to_owned(),
                value: b"hunter2".to_vec(),
            }],
            sealed: None,
        }
    }

    #[test]
    fn only_who_it_is_sealed_to_reads_it_and_only_in_its_place() {
        let (own, other) = (OpeningKey::generate(), OpeningKey::generate());
        let told = Recipient::from_bytes(&own.recipient().to_bytes()).unwrap();
        let sealed = told.seal("secrets/shop/db", &secret()).unwrap();
        let bytes = sealed.encode_to_vec();
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"));
        assert!(sealed.kind.is_none() && sealed.records.is_empty());
        let kept = OpeningKey::from_bytes(&own.to_bytes()).unwrap();
        let opened = kept.open("secrets/shop/db", &sealed).unwrap();
        assert_eq!(opened, Some(secret()));
        assert_eq!(own.open("secrets/shop/other", &sealed), Err(Unopened));
        assert_eq!(other.open("secrets/shop/db", &sealed), Err(Unopened));
        let mut altered = sealed.clone();
        altered.sealed.as_mut().unwrap().sealed[40] ^= 1;
        assert_eq!(own.open("secrets/shop/db", &altered), Err(Unopened));
        altered.sealed.as_mut().unwrap().sealed.truncate(20);
        assert_eq!(own.open("secrets/shop/db", &altered), Err(Unopened));
        assert_eq!(own.open("secrets/shop/db", &secret()), Ok(None));
    }

    #[test]
    fn what_is_no_key_seals_nothing() {
        assert!(Recipient::from_bytes(b"").is_none());
        assert!(Recipient::from_bytes(&[1; 31]).is_none());
        let zero = Recipient::from_bytes(&[0; 32]);
        assert!(zero.is_none_or(|zero| zero.seal("x", &secret()).is_err()));
    }

    #[test]
    fn values_are_wiped_and_never_shown() {
        let mut secret = secret();
        assert!(!format!("{secret:?}").contains("hunter2"));
        let shown = format!("{:?}", b"hunter2");
        assert!(!format!("{secret:?}").contains(&shown[1..shown.len() - 1]));
        wipe(&mut secret);
        let Some(Kind::Secret(wiped)) = &secret.kind else {
            unreachable!()
        };
        assert!(wiped.data["key"].is_empty() && secret.records[0].value.is_empty());
    }
}
