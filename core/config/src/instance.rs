//! The tenant of Nexthink that is read: its name and its region, or the address that names both.

use core_nexthink::{NexthinkError, Region, TenantAddress, TenantId};
use core_settings::Values;

const TENANT: &str = "nexthink.tenant";
const REGION: &str = "nexthink.region";

/// Reads tenant and region. An address that was pasted for either gives both, since it names nothing
/// else. With endpoints of its own (`is_overridden`) the region is only a name.
pub(crate) fn read(values: &mut Values, is_overridden: bool) -> (Option<TenantId>, Option<Region>) {
    let tenant = values.required_text(TENANT);
    let address = tenant.as_deref().and_then(TenantAddress::parse);
    let tenant = match (&address, tenant) {
        (Some(address), _) => Some(address.tenant.clone()),
        (None, Some(name)) => values.checked(TENANT, name.parse()),
        (None, None) => None,
    };
    let text = match &address {
        Some(_) => values.text(REGION),
        None => values.required_text(REGION),
    };
    let region = match text {
        Some(text) => read_region(values, &text, is_overridden),
        None => address.as_ref().map(|address| address.region.clone()),
    };
    if let (Some(region), Some(address)) = (&region, &address)
        && *region != address.region
    {
        let message =
            format!("is {region}, and the address in `{TENANT}` is in {}", address.region);
        values.problem(REGION, &message);
    }
    (tenant, region)
}

fn read_region(values: &mut Values, text: &str, is_overridden: bool) -> Option<Region> {
    if let Some(address) = TenantAddress::parse(text) {
        return Some(address.region);
    }
    let documented: Result<Region, NexthinkError> = text.parse();
    let region =
        if is_overridden { documented.or_else(|_| Region::custom(text)) } else { documented };
    values.checked(REGION, region)
}
