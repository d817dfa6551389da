//! The meaning of the documented codes (Nexthink, audit trail codes and their classic pages for the web
//! interface, the Engine and the console).

/// The actions of the audit trail, in the coarse kinds that people ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A login.
    Login,
    /// A login that was refused.
    FailedLogin,
    /// A logout.
    Logout,
    /// An account was locked.
    Lock,
    /// A user account was created, changed or deleted.
    UserChange,
    /// A role or profile was created, changed or deleted.
    RoleChange,
    /// API credentials were created, changed or deleted.
    CredentialChange,
    /// Access for Nexthink's support was given or taken.
    SupportAccess,
    /// A remote action was run by hand.
    RemoteAction,
    /// Content was shared.
    ContentGrant,
    /// A hierarchy was changed.
    HierarchyChange,
    /// A part of the product started or stopped.
    System,
}

impl Action {
    /// The name in the graph.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::FailedLogin => "failed-login",
            Self::Logout => "logout",
            Self::Lock => "lock",
            Self::UserChange => "user-change",
            Self::RoleChange => "role-change",
            Self::CredentialChange => "api-credential-change",
            Self::SupportAccess => "support-access",
            Self::RemoteAction => "remote-action",
            Self::ContentGrant => "content-grant",
            Self::HierarchyChange => "hierarchy-change",
            Self::System => "system",
        }
    }
}

/// A documented code, or a family of them.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownCode {
    first: u32,
    last: u32,
    /// The action.
    pub action: Action,
    /// The same as a plain sentence.
    pub sentence: &'static str,
}

/// Narrow ranges before the families that hold them. Where only the family is documented, the
/// sentence says no more than the family.
const KNOWN: &[KnownCode] = &[
    known(10001, 10001, Action::System, "The Engine started"),
    known(10006, 10006, Action::Login, "A Finder user logged in"),
    known(20001, 20001, Action::System, "The Portal started"),
    known(20002, 20004, Action::System, "The state of the Portal changed"),
    known(20101, 20101, Action::Login, "A user logged in"),
    known(20103, 20103, Action::FailedLogin, "A login failed"),
    known(20201, 20211, Action::UserChange, "A user account was created, changed or deleted"),
    known(20501, 20505, Action::HierarchyChange, "A hierarchy was changed"),
    known(50000, 50000, Action::Login, "A user logged in to the console"),
    known(90211, 90211, Action::Login, "A user logged in"),
    known(90212, 90212, Action::Logout, "A user logged out"),
    known(90213, 90213, Action::FailedLogin, "A login failed"),
    known(90214, 90214, Action::Lock, "An account was locked"),
    known(91011, 91014, Action::UserChange, "A user account was created, changed or deleted"),
    known(91021, 91023, Action::RoleChange, "A role was created, changed or deleted"),
    known(
        91031,
        91033,
        Action::CredentialChange,
        "API credentials were created, changed or deleted",
    ),
    known(91041, 91042, Action::SupportAccess, "Access for Nexthink's support was given or taken"),
    known(91181, 91189, Action::ContentGrant, "Content was shared"),
    known(94011, 94011, Action::RemoteAction, "A remote action was run by hand"),
];

const fn known(first: u32, last: u32, action: Action, sentence: &'static str) -> KnownCode {
    KnownCode { first, last, action, sentence }
}

impl KnownCode {
    /// Returns the documentation of a code; nothing for most.
    pub fn find(code: u32) -> Option<&'static KnownCode> {
        KNOWN.iter().find(|known| (known.first..=known.last).contains(&code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_is_documented() {
        for (code, expected) in [
            (20101, Some("login")),
            (20103, Some("failed-login")),
            (90213, Some("failed-login")),
            (90214, Some("lock")),
            (91014, Some("user-change")),
            (91022, Some("role-change")),
            (91032, Some("api-credential-change")),
            (91041, Some("support-access")),
            (94011, Some("remote-action")),
            (20102, None),
            (94012, None),
            (0, None),
        ] {
            assert_eq!(KnownCode::find(code).map(|known| known.action.name()), expected, "{code}");
        }
    }

    #[test]
    fn no_two_entries_share_a_code() {
        for pair in KNOWN.windows(2) {
            assert!(pair[0].first <= pair[0].last && pair[0].last < pair[1].first);
        }
    }
}
