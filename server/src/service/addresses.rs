//! A namespace's addresses: what is called as `NAME` or `TAG-NAME` is one thing only.
//!
//! A function `old-tr` and the tag `old` of the function `tr` would be called by the same address, and so
//! would the tag `a` of `b-c` and the tag `a-b` of `c`. Whichever comes second is refused here; the decision
//! rests on what was read, so that in a store with transactions of two at once only one gets through.

use gateless_common::name;

use super::commit::{keys, parse};
use super::{Error, Result, Service};
use crate::domain::function::Function;
use crate::domain::traffic::Target;
use crate::store::{Check, Expect};

impl Service {
    /// Requires that no tag of another function is called by the name of a function to be made.
    ///
    /// # Errors
    /// [`Error::AddressTaken`], or the store's.
    pub(super) async fn check_new_name(&self, namespace: &str, name: &str) -> Result<Vec<Check>> {
        let wanted = format!("function {namespace}/{name}");
        let mut rests_on = Vec::new();
        self.check_tags_called(namespace, (name, ""), &wanted, &mut rests_on)
            .await?;
        Ok(rests_on)
    }

    /// Requires that nothing else is called by the address of a tag that `function` is to get.
    ///
    /// # Errors
    /// [`Error::AddressTaken`], or the store's.
    pub(super) async fn check_new_tags(
        &self,
        function: &Function,
        targets: &[Target],
    ) -> Result<Vec<Check>> {
        let mut rests_on = Vec::new();
        let (ns, name) = (function.namespace.as_str(), function.name.as_str());
        let has = |tag: &str| {
            let mut known = function.traffic.iter().filter_map(|t| t.tag.as_deref());
            known.any(|known| known == tag)
        };
        let tags = targets.iter().filter_map(|target| target.tag.as_deref());
        for tag in tags.filter(|tag| !has(tag)) {
            let address = format!("{tag}-{name}");
            let wanted = format!("tag {tag} of function {ns}/{name}");
            let key = keys::function(ns, &address);
            if self.store.get(&key).await?.is_some() {
                return Err(Error::AddressTaken {
                    wanted,
                    by: format!("function {ns}/{address}"),
                    address,
                });
            }
            rests_on.push(Check::new(key, Expect::Absent));
            self.check_tags_called(ns, (&address, name), &wanted, &mut rests_on)
                .await?;
        }
        // An address may be read in ways that lead to the same function.
        rests_on.sort_by(|a: &Check, b| a.key().cmp(b.key()));
        rests_on.dedup();
        Ok(rests_on)
    }

    /// Requires that no function but `own` has a tag that is called by `address`.
    async fn check_tags_called(
        &self,
        namespace: &str,
        (address, own): (&str, &str),
        wanted: &str,
        rests_on: &mut Vec<Check>,
    ) -> Result<()> {
        for (tag, name) in name::tag_readings(address).filter(|(_, name)| *name != own) {
            let key = keys::function(namespace, name);
            let Some(entry) = self.store.get(&key).await? else {
                rests_on.push(Check::new(key, Expect::Absent));
                continue;
            };
            let function = parse::<Function>(&entry)?.value;
            let mut tags = function.traffic.iter().filter_map(|t| t.tag.as_deref());
            if tags.any(|known| known == tag) {
                return Err(Error::AddressTaken {
                    wanted: wanted.to_owned(),
                    by: format!("tag {tag} of function {}", function.full_name()),
                    address: address.to_owned(),
                });
            }
            rests_on.push(Check::new(key, Expect::At(entry.revision)));
        }
        Ok(())
    }
}
