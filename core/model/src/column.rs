//! The privacy class of each column of an export, and the form of its values. The privacy profiles,
//! the inventory and the pseudonyms derive from these declarations.
//!
//! A column means the same in every export, so it is declared once, by the step that describes its
//! object. Undeclared columns are dropped.

/// The relation of a column to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnClass {
    /// Names a person: a user name, an e-mail address.
    DirectIdentifier,
    /// Stands for one person or device for as long as it exists: a SID, a uid, a serial number.
    PersistentIdentifier,
    /// Points at a person together with other data: a department, a network address.
    QuasiIdentifier,
    /// Records when or how a person did something.
    Behaviour,
    /// Technical data.
    Technical,
}

/// The relation of a value to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonalData {
    /// Technical data.
    None,
    /// Points at a person together with other data: a device name, an address, a department.
    Indirect,
    /// Names a person: a user name, an e-mail address.
    Direct,
}

/// The form of a column's values, which decides how they can be redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnForm {
    /// Identifiers of one kind, which pseudonyms can replace.
    Identifier(IdentifierKind),
    /// Points in time, which can be cut to their day.
    Time,
    /// Lists of IP addresses, which can be cut to their network.
    IpAddresses,
    /// Enumerations, numbers, product names: never a text that a person typed.
    Plain,
    /// A text that a person typed or a program composed, which may name a person.
    FreeText,
}

/// A kind of identifier, which means the same in every column. Equal identifiers get equal
/// pseudonyms within a kind and never across two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// A login name, `DOMAIN\account`. One in the form of an address belongs to
    /// [`IdentifierKind::Address`].
    Login,
    /// User principal names and e-mail addresses, which are usually the same.
    Address,
    /// The full name of a person.
    PersonName,
    /// Windows security identifiers, of users and of devices.
    Sid,
    /// Nexthink's identifier of a user.
    UserUid,
    /// Nexthink's identifier of a device.
    DeviceUid,
    /// The name of a device, which often contains a person's name.
    DeviceName,
    /// Serial numbers of hardware.
    Serial,
    /// Nexthink's identifier of a Collector.
    CollectorUid,
    /// The hash of a record of the audit trail, by which anyone who guesses a record could
    /// recognize it.
    AuditEvent,
}

/// The declaration of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name in NQL.
    pub name: &'static str,
    /// The relation to a person.
    pub class: ColumnClass,
    /// The form of the values.
    pub form: ColumnForm,
    /// The relation to a person of the properties that are made of the column.
    pub personal: PersonalData,
}

/// The columns that one step declares, entered into the registry with `inventory::submit!`.
#[derive(Debug)]
pub struct Columns(pub &'static [Column]);

inventory::collect!(Columns);

/// A column of identifiers that name a person.
pub const fn direct(name: &'static str, identifier_kind: IdentifierKind) -> Column {
    Column::new(name, ColumnClass::DirectIdentifier, ColumnForm::Identifier(identifier_kind))
}

/// A column of identifiers that stand for one person or device.
pub const fn persistent(name: &'static str, identifier_kind: IdentifierKind) -> Column {
    Column::new(name, ColumnClass::PersistentIdentifier, ColumnForm::Identifier(identifier_kind))
}

/// A column that points at a person together with other data.
pub const fn quasi(name: &'static str, form: ColumnForm) -> Column {
    Column::new(name, ColumnClass::QuasiIdentifier, form)
}

/// A column of the times at which a person did something.
pub const fn behaviour(name: &'static str) -> Column {
    Column::new(name, ColumnClass::Behaviour, ColumnForm::Time)
}

/// A column of technical data.
pub const fn technical(name: &'static str) -> Column {
    Column::new(name, ColumnClass::Technical, ColumnForm::Plain)
}

/// A column of technical data that may hold a text that a person typed.
pub const fn free_text(name: &'static str) -> Column {
    Column::new(name, ColumnClass::Technical, ColumnForm::FreeText)
}

impl Column {
    const fn new(name: &'static str, class: ColumnClass, form: ColumnForm) -> Self {
        let personal = match (class, form) {
            // A free text may name anyone.
            (ColumnClass::DirectIdentifier, _) | (_, ColumnForm::FreeText) => PersonalData::Direct,
            (ColumnClass::Technical, _) => PersonalData::None,
            _ => PersonalData::Indirect,
        };
        Self { name, class, form, personal }
    }

    /// Declares that the values stand for an object, such as a device, and tell nothing about a person
    /// to a reader who has only them. Profiles treat the column as its class says all the same.
    #[must_use]
    pub const fn of_object(mut self) -> Self {
        self.personal = PersonalData::None;
        self
    }

    /// Finds the declaration of a column among those of all linked steps.
    pub fn find(name: &str) -> Option<&'static Self> {
        let declared = inventory::iter::<Columns>().flat_map(|declared| declared.0);
        declared.into_iter().find(|column| column.name == name)
    }

    /// Returns the declared columns of all steps that are linked into this program, by name.
    pub fn all() -> Vec<&'static Self> {
        let mut columns: Vec<&'static Self> =
            inventory::iter::<Columns>().flat_map(|declared| declared.0).collect();
        columns.sort_unstable_by_key(|column| column.name);
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

impl PersonalData {
    /// The word on the generated pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Indirect => "indirect",
            Self::Direct => "direct",
        }
    }
}
impl IdentifierKind {
    /// Every kind, in declaration order.
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

    /// The name in files and in the derivation of keys. It must never change, because every
    /// pseudonym would change with it.
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

    /// Finds the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|identifier_kind| identifier_kind.name() == name)
    }
}
