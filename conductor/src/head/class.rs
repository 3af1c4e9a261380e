//! What the sensitivity head tells apart.

use crate::detect::Kind;

/// A class of sensitive words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person's name or title.
    Person,
    /// A place.
    Location,
    /// A company, an authority, a school, a product by its maker's name.
    Organization,
    /// Where somebody lives or works.
    Address,
    /// A date or time.
    Date,
    /// A number or name that stands for somebody: accounts, documents, links.
    Identifier,
}

impl Class {
    /// All, in the order of the head's outputs.
    pub const ALL: [Self; 6] = [
        Self::Person,
        Self::Location,
        Self::Organization,
        Self::Address,
        Self::Date,
        Self::Identifier,
    ];

    /// The class of a type as data sets name them; what is like none of ours stands for somebody.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "PERSON" | "TITLE" | "PREFIX" | "NAME" => Self::Person,
            "LOCATION" | "GPE" | "NRP" => Self::Location,
            "ORGANIZATION" | "ORG" => Self::Organization,
            "ADDRESS" | "STREET_ADDRESS" | "ZIP_CODE" => Self::Address,
            "DATE" | "TIME" | "DATE_TIME" => Self::Date,
            _ => Self::Identifier,
        }
    }

    /// The type that policy labels.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Person => Kind::PERSON,
            Self::Location => Kind::LOCATION,
            Self::Organization => Kind::ORGANIZATION,
            Self::Address => Kind::ADDRESS,
            Self::Date => Kind::DATE,
            Self::Identifier => Kind::IDENTIFIER,
        }
    }

    /// Its place among the outputs.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}
