//! How an instance is launched: what it is, and what it sees of the host where there are walls.
//!
//! The walls themselves and the fence are the sandbox's; here is only what is said of one instance.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Stdio};

use gateless_sandbox::{Error as Refusal, Fence, Plan, Usage, View};

use super::Inner;
use super::ports::Claim;
use super::spawn::{Error, raw_log, refused, step};
use crate::instance::StartRequest;
use crate::instance::environment::{FOLDER_MARK, INSTANCE_MARK, NODE_MARK};

/// The one place where an instance with files of its own may write.
pub(super) const SCRATCH: &str = "/tmp";

/// Starts it; `home` and `program` are what was found of them on the host.
pub(super) fn start(
    inner: &Inner,
    request: &StartRequest,
    (home, bundle, program): (&Path, Option<&Path>, &Path),
    environment: &BTreeMap<String, String>,
    claim: &Claim,
) -> Result<(Child, Fence), Error> {
    let sandbox = &inner.config.sandbox;
    let process = request.revision.runtime.process().ok_or(Error::NoProcess)?;
    let folder = inner.folder.instance(request.id.as_str());
    for (what, path) in [("working_dir", home), ("command", program)] {
        let is_own =
            path.starts_with(&folder) || bundle.is_some_and(|bundle| path.starts_with(bundle));
        if sandbox.hides(path) && !is_own {
            return Err(Error::Refused(format!(
                "{what} {} is in a folder that no function sees",
                path.display()
            )));
        }
    }
    let mut shown = Vec::from_iter(bundle.map(Path::to_owned));
    shown.push(program.to_owned());
    if sandbox.has_namespaces() && home != Path::new(SCRATCH) {
        shown.push(home.to_owned());
    }
    // Without files of its own it writes where it always did.
    let writable = if sandbox.has_namespaces() {
        Vec::new()
    } else {
        vec![folder.join("tmp"), folder.join("work")]
    };
    let writable = writable.into_iter().filter(|path| path.is_dir()).collect();
    let listener = if process.socket_activation {
        let listener = TcpListener::bind(claim.address()).map_err(step("listen on its port"))?;
        Some(OwnedFd::from(listener))
    } else {
        None
    };
    let log = |name: &str| -> Result<Stdio, Error> {
        let file = raw_log(&folder, name)?;
        if let Some(user) = sandbox.user(claim.port()) {
            // So that it may open its standard output by name, as scripts do.
            chown(folder.join(name), Some(user), Some(user)).map_err(step("give it its log"))?;
        }
        Ok(file.into())
    };
    let plan = Plan {
        program: program.to_owned(),
        arguments: process.command.clone(),
        environment: environment.clone(),
        folder: home.to_owned(),
        port: claim.port(),
        view: View {
            hidden: Vec::new(),
            shown,
            writable,
        },
        ..Plan::default()
    };
    let node = inner.config.node.as_str();
    let names = (node, request.id.as_str());
    let marks = BTreeMap::from([
        (NODE_MARK, node.to_owned()),
        (INSTANCE_MARK, request.id.to_string()),
        (FOLDER_MARK, inner.folder.mark().to_owned()),
    ]);
    let usage = Usage {
        memory: process.memory,
        cpu: process.cpu,
    };
    let output = (log("stdout.log")?, log("stderr.log")?);
    match sandbox.start(names, plan, listener.as_ref(), usage, output, &marks) {
        Ok(started) => Ok((started.child, started.fence)),
        Err(Refusal::Program(error)) => Err(refused(&error, process, program, environment)),
        Err(wall) => Err(Error::Refused(wall.to_string())),
    }
}
