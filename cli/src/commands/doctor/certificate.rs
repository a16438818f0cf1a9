//! Whether what is shown at an https address will be believed for a while yet.

use std::time::Duration;

use gateless_common::time;
use gateless_sdk::certificates_of;
use jiff::Timestamp;

use super::Report;
use crate::login::trust::describe;
use crate::manifest::units::show_millis;

/// Certificates that are renewed by themselves have more left than this.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Tells when the certificate ends that is shown at `url`; nothing where it is no https.
pub(super) async fn check(whose: &str, url: &str, report: &mut Report) {
    if !url.starts_with("https://") {
        return;
    }
    // Whoever cannot be reached is told about by another check.
    let Ok(chain) = certificates_of(url).await else {
        return;
    };
    let Some(described) = chain.first().and_then(|der| describe(der)) else {
        return;
    };
    let left = described.expires.as_second() - Timestamp::now().as_second();
    let fix =
        "renew its files; they are taken without a restart, or refused with a line in its log";
    let Ok(left) = u64::try_from(left) else {
        let detail = format!("that of {whose} has expired: {}", described.subject);
        return report.warn("certificate", detail, fix);
    };
    let left = Duration::from_secs(left);
    let good = show_millis(time::millis(left));
    let detail = format!("that of {whose} is good for {good}: {}", described.subject);
    match left < EXPIRES_SOON {
        true => report.warn("certificate", detail, fix),
        false => report.ok("certificate", detail),
    }
}
