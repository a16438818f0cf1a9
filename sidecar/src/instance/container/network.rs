//! The network that this node's containers are in: each with an address of its own, which only this host reaches.
//!
//! Containers cannot reach one another past their gates, as the bridge passes nothing between them. Their way to other functions is a
//! door at the bridge's own address on this host, which whoever serves the local door opens when it is asked to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use bollard::models::{NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::ListNetworksOptions;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::engine::{Client, Refused, ask};
use super::request::{FOLDER, NODE, Place};

/// Asks for a local door at an address of this host; what comes back is where it was opened, or why it was not.
pub type DoorRequest = (IpAddr, oneshot::Sender<std::io::Result<SocketAddr>>);

/// Requests that may wait: one a network, of which there is one.
pub(super) const DOOR_REQUESTS: usize = 4;

/// What is known of the network since it was made or found.
#[derive(Debug)]
pub(super) struct Network {
    doors: mpsc::Sender<DoorRequest>,
    /// Where functions reach others. Held while the network is made, so that it is made once.
    door: Mutex<Option<SocketAddr>>,
}

impl Network {
    pub(super) fn new(doors: mpsc::Sender<DoorRequest>) -> Self {
        Self {
            doors,
            door: Mutex::new(None),
        }
    }

    /// Makes sure of the network, and of the door in it; where that is.
    pub(super) async fn ensure(
        &self,
        client: &Client,
        place: &Place,
    ) -> Result<SocketAddr, String> {
        let mut known = self.door.lock().await;
        let gateway = match inspect(client, &place.network).await {
            Ok(Some(gateway)) => gateway,
            Ok(None) => {
                let made = make(client, place).await;
                made.map_err(|error| format!("the containers' network cannot be made: {error}"))?
            }
            Err(error) => return Err(format!("the containers' network: {error}")),
        };
        if let Some(door) = known.filter(|door| door.ip() == gateway) {
            return Ok(door);
        }
        let (opened, answer) = oneshot::channel();
        let request = (gateway, opened);
        let ending = || "the sidecar is shutting down".to_owned();
        self.doors.send(request).await.map_err(|_| ending())?;
        let door = answer.await.map_err(|_| ending())?.map_err(|error| {
            format!(
                "the containers' network is not on this host: cannot listen on {gateway}: {error}"
            )
        })?;
        *known = Some(door);
        Ok(door)
    }

    /// Takes the network away, if nothing is in it any more.
    pub(super) async fn remove(&self, client: &Client, place: &Place) {
        // It was never needed.
        if self.door.lock().await.take().is_some() {
            remove(client, &place.network).await;
        }
    }
}

/// Takes away what an earlier node of the same data folder left.
pub(super) async fn remove_leftovers(
    client: &Client,
    place: &Place,
    living: impl Fn(&str) -> bool,
) {
    let filters = HashMap::from([(
        "label".to_owned(),
        vec![format!("{FOLDER}={}", place.folder)],
    )]);
    let options = ListNetworksOptions {
        filters: Some(filters),
    };
    let found = ask(client.docker.list_networks(Some(options))).await;
    for network in found.unwrap_or_default() {
        let node = network.labels.as_ref().and_then(|labels| labels.get(NODE));
        let is_left = node.is_some_and(|node| *node != place.node && !living(node));
        if let (true, Some(name)) = (is_left, &network.name) {
            remove(client, name).await;
        }
    }
}

async fn remove(client: &Client, name: &str) {
    if let Err(error) = ask(client.docker.remove_network(name)).await {
        tracing::debug!(network = name, %error, "the containers' network stays");
    }
}

/// The host's address in the network; `None`: there is no such network.
async fn inspect(client: &Client, name: &str) -> Result<Option<IpAddr>, Refused> {
    match ask(client.docker.inspect_network(name, None)).await {
        Ok(network) => gateway(&network).map(Some),
        Err(refused) if refused.is_unknown() => Ok(None),
        Err(refused) => Err(refused),
    }
}

async fn make(client: &Client, place: &Place) -> Result<IpAddr, Refused> {
    let labels = HashMap::from([
        (NODE.to_owned(), place.node.clone()),
        (FOLDER.to_owned(), place.folder.clone()),
    ]);
    let no_way_between = ("com.docker.network.bridge.enable_icc", "false");
    let options = HashMap::from([(no_way_between.0.to_owned(), no_way_between.1.to_owned())]);
    let request = NetworkCreateRequest {
        name: place.network.clone(),
        driver: Some("bridge".to_owned()),
        options: Some(options),
        labels: Some(labels),
        ..NetworkCreateRequest::default()
    };
    ask(client.docker.create_network(request)).await?;
    gateway(&ask(client.docker.inspect_network(&place.network, None)).await?)
}

fn gateway(network: &NetworkInspect) -> Result<IpAddr, Refused> {
    let configs = network.ipam.as_ref().and_then(|ipam| ipam.config.as_ref());
    let mut gateways = configs.into_iter().flatten().filter_map(|config| {
        let gateway = config.gateway.as_deref()?;
        // Some engines say it with the network's length.
        gateway.split('/').next()?.parse().ok()
    });
    gateways.find(IpAddr::is_ipv4).ok_or_else(|| Refused {
        status: None,
        words: "it has no address of this host in it".to_owned(),
    })
}
