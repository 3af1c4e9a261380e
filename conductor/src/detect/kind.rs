//! Types of sensitive text.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::label::Label;

/// A type of sensitive text: one of ours, or one that a site's dictionary brings.
///
/// Its name is of `[a-z0-9_]`; in a placeholder it stands in capitals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kind(Cow<'static, str>);

/// A text that cannot be the name of a type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" cannot name a type: use 1 to 32 of the characters a-z, 0-9 and _, a letter first")]
pub struct BadKind(pub String);

impl Kind {
    /// An e-mail address.
    pub const EMAIL: Self = Self(Cow::Borrowed("email"));
    /// A telephone number.
    pub const PHONE: Self = Self(Cow::Borrowed("phone"));
    /// A payment card number.
    pub const CARD: Self = Self(Cow::Borrowed("card"));
    /// An international bank account number.
    pub const IBAN: Self = Self(Cow::Borrowed("iban"));
    /// An IPv4 or IPv6 address.
    pub const IP: Self = Self(Cow::Borrowed("ip"));
    /// A MAC address.
    pub const MAC: Self = Self(Cow::Borrowed("mac"));
    /// A key or token of an API.
    pub const API_KEY: Self = Self(Cow::Borrowed("api_key"));
    /// A private key.
    pub const PRIVATE_KEY: Self = Self(Cow::Borrowed("private_key"));
    /// The number that a state gives to a person.
    pub const NATIONAL_ID: Self = Self(Cow::Borrowed("national_id"));
    /// The number that a state gives to a company.
    pub const TAX_ID: Self = Self(Cow::Borrowed("tax_id"));
    /// The number of a patient.
    pub const HEALTH_ID: Self = Self(Cow::Borrowed("health_id"));
    /// The number of an identity card, a passport or a driving licence.
    pub const ID_DOCUMENT: Self = Self(Cow::Borrowed("id_document"));
    /// A date of birth.
    pub const BIRTH_DATE: Self = Self(Cow::Borrowed("birth_date"));
    /// A street address.
    pub const ADDRESS: Self = Self(Cow::Borrowed("address"));
    /// A postcode.
    pub const POSTCODE: Self = Self(Cow::Borrowed("postcode"));
    /// Coordinates of a place.
    pub const GPS: Self = Self(Cow::Borrowed("gps"));
    /// The identification number of a vehicle.
    pub const VIN: Self = Self(Cow::Borrowed("vin"));
    /// A licence plate.
    pub const PLATE: Self = Self(Cow::Borrowed("plate"));
    /// A bank's or an account's number other than an IBAN.
    pub const BANK_ACCOUNT: Self = Self(Cow::Borrowed("bank_account"));
    /// A web address.
    pub const URL: Self = Self(Cow::Borrowed("url"));
    /// The name of a machine inside the site.
    pub const HOST: Self = Self(Cow::Borrowed("host"));
    /// A marking such as "internal use only".
    pub const MARKED_INTERNAL: Self = Self(Cow::Borrowed("marked_internal"));
    /// A marking such as "confidential".
    pub const MARKED_CONFIDENTIAL: Self = Self(Cow::Borrowed("marked_confidential"));
    /// A marking such as "secret" or TLP:RED.
    pub const MARKED_RESTRICTED: Self = Self(Cow::Borrowed("marked_restricted"));
    /// A person's name.
    pub const PERSON: Self = Self(Cow::Borrowed("person"));
    /// A place.
    pub const LOCATION: Self = Self(Cow::Borrowed("location"));
    /// A company, authority, school.
    pub const ORGANIZATION: Self = Self(Cow::Borrowed("organization"));
    /// A date or time.
    pub const DATE: Self = Self(Cow::Borrowed("date"));
    /// A number or name that stands for somebody or something, of no known form.
    pub const IDENTIFIER: Self = Self(Cow::Borrowed("identifier"));

    /// Takes a name of 1 to 32 of `[a-z0-9_]`, a letter first.
    pub fn try_new(name: impl Into<String>) -> Result<Self, BadKind> {
        let name = name.into();
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(known)
        {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(BadKind(name))
        }
    }

    /// Our types with the labels that they have unless policy says otherwise.
    #[must_use]
    pub fn defaults() -> BTreeMap<Self, Label> {
        BTreeMap::from([
            (Self::EMAIL, Label::Confidential),
            (Self::PHONE, Label::Confidential),
            (Self::PERSON, Label::Confidential),
            (Self::LOCATION, Label::Internal),
            (Self::ORGANIZATION, Label::Internal),
            (Self::ADDRESS, Label::Confidential),
            (Self::DATE, Label::Internal),
            (Self::IDENTIFIER, Label::Internal),
            (Self::CARD, Label::Restricted),
            (Self::IBAN, Label::Confidential),
            (Self::IP, Label::Internal),
            (Self::MAC, Label::Internal),
            (Self::API_KEY, Label::Restricted),
            (Self::PRIVATE_KEY, Label::Restricted),
            (Self::NATIONAL_ID, Label::Restricted),
            (Self::TAX_ID, Label::Confidential),
            (Self::HEALTH_ID, Label::Restricted),
            (Self::ID_DOCUMENT, Label::Restricted),
            (Self::BIRTH_DATE, Label::Confidential),
            (Self::ADDRESS, Label::Confidential),
            (Self::POSTCODE, Label::Confidential),
            (Self::GPS, Label::Confidential),
            (Self::VIN, Label::Confidential),
            (Self::PLATE, Label::Confidential),
            (Self::BANK_ACCOUNT, Label::Confidential),
            (Self::URL, Label::Internal),
            (Self::HOST, Label::Internal),
            (Self::MARKED_INTERNAL, Label::Internal),
            (Self::MARKED_CONFIDENTIAL, Label::Confidential),
            (Self::MARKED_RESTRICTED, Label::Restricted),
        ])
    }

    /// Whether it says something of the whole text that it stands in, which then has at least its label, whatever is
    /// redacted.
    #[must_use]
    pub fn is_marking(&self) -> bool {
        self.0.starts_with("marked_")
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kind {
    type Error = BadKind;

    fn try_from(name: String) -> Result<Self, BadKind> {
        Self::try_new(name)
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.0.into_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
