//! What the columns of an export tell about people: the class of each, and what its values are. The
//! privacy profiles, the inventory and the pseudonyms follow from this.
//!
//! A column means the same in every export, so each is declared once, by the step that describes its
//! object. A column that nobody declared is read by nobody.

/// What a column tells about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnClass {
    /// Names a person: a user name, an e-mail address.
    DirectIdentifier,
    /// Stands for one person or device for as long as it exists: a SID, a uid, a serial number.
    PersistentIdentifier,
    /// Points at a person together with other data: a department, an address of a network.
    QuasiIdentifier,
    /// Says when or how somebody did something.
    Behaviour,
    /// Technical data.
    Technical,
}

/// What the values of a column are, and so what can be done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnForm {
    /// Identifiers of one family, which pseudonyms can stand for.
    Identifier(Family),
    /// Points in time, which can be cut to their day.
    Time,
    /// Lists of IP addresses, which can be cut to their network.
    IpAddresses,
    /// Words of a list, numbers, names of products: never what somebody typed.
    Plain,
    /// Whatever somebody typed or a program put together, which may name a person.
    FreeText,
}

/// Identifiers that mean the same wherever they stand. Equal ones get equal pseudonyms within a family
/// and never across two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The name that somebody logs in with, `DOMAIN\account`. One that has the form of an address
    /// belongs to [`Family::Address`].
    Login,
    /// User principal names and e-mail addresses, which are mostly the same.
    Address,
    /// The full name of a person.
    PersonName,
    /// Windows security identifiers, of users and of devices.
    Sid,
    /// Nexthink's identifier of a user.
    UserUid,
    /// Nexthink's identifier of a device.
    DeviceUid,
    /// The name of a device, which often has that of a person in it.
    DeviceName,
    /// Serial numbers of hardware.
    Serial,
    /// Nexthink's identifier of a Collector.
    CollectorUid,
    /// The hash of a record of the audit trail: whoever can guess a record would know it again.
    AuditEvent,
}

/// One column, and what it tells about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The column, as NQL names it.
    pub name: &'static str,
    /// What it tells about people.
    pub class: ColumnClass,
    /// What its values are.
    pub form: ColumnForm,
}

/// The columns that one step declares, entered into the registry with `inventory::submit!`.
#[derive(Debug)]
pub struct Columns(pub &'static [Column]);

inventory::collect!(Columns);

/// A column of identifiers that name a person.
pub const fn direct(name: &'static str, family: Family) -> Column {
    Column { name, class: ColumnClass::DirectIdentifier, form: ColumnForm::Identifier(family) }
}

/// A column of identifiers that stand for one person or device.
pub const fn persistent(name: &'static str, family: Family) -> Column {
    Column { name, class: ColumnClass::PersistentIdentifier, form: ColumnForm::Identifier(family) }
}

/// A column that points at a person together with other data.
pub const fn quasi(name: &'static str, form: ColumnForm) -> Column {
    Column { name, class: ColumnClass::QuasiIdentifier, form }
}

/// A column of the times at which somebody did something.
pub const fn behaviour(name: &'static str) -> Column {
    Column { name, class: ColumnClass::Behaviour, form: ColumnForm::Time }
}

/// A column of technical data.
pub const fn technical(name: &'static str) -> Column {
    Column { name, class: ColumnClass::Technical, form: ColumnForm::Plain }
}

/// A column of technical data that may hold what somebody typed.
pub const fn free_text(name: &'static str) -> Column {
    Column { name, class: ColumnClass::Technical, form: ColumnForm::FreeText }
}

impl Column {
    /// All declared columns of the steps that are linked into this program, by name.
    pub fn all() -> Vec<&'static Self> {
        let mut columns: Vec<&'static Self> =
            inventory::iter::<Columns>().flat_map(|it| it.0).collect();
        columns.sort_unstable_by_key(|it| it.name);
        columns
    }
}

impl ColumnClass {
    /// The words on the generated pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DirectIdentifier => "direct identifier",
            Self::PersistentIdentifier => "persistent identifier",
            Self::QuasiIdentifier => "quasi-identifier",
            Self::Behaviour => "behaviour",
            Self::Technical => "technical",
        }
    }
}

impl Family {
    /// Every family, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Login,
        Self::Address,
        Self::PersonName,
        Self::Sid,
        Self::UserUid,
        Self::DeviceUid,
        Self::DeviceName,
        Self::Serial,
        Self::CollectorUid,
        Self::AuditEvent,
    ];

    /// The name in files and in the derivation of keys. Never changed: every pseudonym would be.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Address => "address",
            Self::PersonName => "person-name",
            Self::Sid => "sid",
            Self::UserUid => "user-uid",
            Self::DeviceUid => "device-uid",
            Self::DeviceName => "device-name",
            Self::Serial => "serial",
            Self::CollectorUid => "collector-uid",
            Self::AuditEvent => "audit-event",
        }
    }

    /// The family of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}
