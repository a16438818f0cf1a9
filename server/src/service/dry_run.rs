//! What a replay of dead letters would be done to, for whoever wants to know before. Nothing is changed, and nothing is promised:
//! between the answer and the deed other calls may die.

use super::bulk::{self, Done};
use super::calls::Gathered;
use super::functions::Name;
use super::{Result, Service};

impl Service {
    /// How many dead letters [`Service::dead_letters`] would put back into the queue.
    ///
    /// # Errors
    /// Those of [`Service::dead_letters`].
    pub async fn would_replay_all(&self, name: Name<'_>) -> Result<Gathered<u64>> {
        self.must_be_callable(name).await?;
        let Gathered { value, warnings } = self.queues(name.0).await;
        let own = value.into_iter().filter(|queue| queue.function == name.1);
        Ok(Gathered {
            value: own.map(|queue| queue.dead).sum(),
            warnings,
        })
    }

    /// Which of these dead letters could be put back into the queue, and which not.
    ///
    /// # Errors
    /// Those of [`Service::act_on_all`].
    pub async fn would_replay(&self, name: Name<'_>, ids: Vec<String>) -> Result<Done> {
        self.must_be_known(name).await?;
        let looks = bulk::distinct(ids).into_iter().map(|id| async move {
            let looked = self.could_replay(name, &id).await;
            (id, looked)
        });
        Ok(bulk::each(looks).await)
    }

    async fn could_replay(&self, name: Name<'_>, id: &str) -> Result<()> {
        self.must_be(name, id, "dead").await?;
        self.must_be_callable(name).await
    }
}
