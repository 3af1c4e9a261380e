//! Sentences with one value of a type each, and values that are of none.

use super::{dice::Dice, id, make};

pub(super) type Make = fn(&mut Dice) -> String;

/// A type, how its values are made, and sentences in which `{}` is the value.
pub(super) const SAMPLES: &[(&str, Make, &[&str])] = &[
    (
        "email",
        make::email,
        &[
            "Please write to {} today.",
            "Schreiben Sie an {}, bitte.",
            "Contact: {}",
            "Écrivez à {} svp.",
            "mail={};",
            "连络：{}。",
        ],
    ),
    (
        "email",
        make::spoken,
        &["Reach me: {} thanks.", "mail: {}."],
    ),
    (
        "phone",
        make::phone,
        &[
            "Call {} now.",
            "Tel. {}",
            "Ruf an: {}.",
            "téléphone {}",
            "my mobile is {}, ok",
        ],
    ),
    (
        "card",
        id::card,
        &[
            "Charge it to {}.",
            "Karte {} bitte",
            "card: {}, exp 12/29",
            "carte {}",
        ],
    ),
    (
        "iban",
        id::iban,
        &[
            "Transfer to {} by Friday.",
            "IBAN: {}",
            "Konto {}, danke",
            "virement vers {}",
        ],
    ),
    (
        "ip",
        make::ip,
        &[
            "ping {} fails",
            "Host {}:502 antwortet nicht",
            "the PLC at {} is down",
        ],
    ),
    (
        "mac",
        make::mac,
        &["its MAC is {}", "Gerät {} offline", "port of {}"],
    ),
    (
        "api_key",
        make::key,
        &[
            "use {} for it",
            "export API={}",
            "Authorization: Bearer {}",
            "the token {} leaked",
        ],
    ),
    (
        "api_key",
        make::password,
        &[
            "password: {}",
            "DB_PASSWORD={}",
            "login --password {} --now",
            "Kennwort: {}",
            "{\"secret\": \"{}\"}",
        ],
    ),
    (
        "national_id",
        id::social_security,
        &["My SSN is {}.", "social security number: {}", "it is {} ok"],
    ),
    (
        "national_id",
        id::insurance,
        &[
            "NINO {}",
            "National Insurance number: {}.",
            "her NI number is {}",
        ],
    ),
    (
        "health_id",
        id::health,
        &[
            "NHS number {}",
            "NHS no. {}.",
            "patient with NHS number: {}",
        ],
    ),
    (
        "national_id",
        id::german_tax,
        &[
            "Steuer-ID: {}",
            "Meine Steueridentifikationsnummer lautet {}.",
            "IdNr. {}",
        ],
    ),
    (
        "id_document",
        make::document,
        &[
            "Ausweisnummer: {}",
            "passport number {}",
            "Reisepass Nr. {}",
            "her driver's license number is {}",
            "passeport n° {}",
        ],
    ),
    (
        "national_id",
        id::french,
        &[
            "NIR : {}",
            "numéro de sécurité sociale {}",
            "assuré {} à jour",
        ],
    ),
    (
        "national_id",
        id::spanish,
        &["DNI {}", "con documento {}.", "NIE: {}, por favor"],
    ),
    (
        "national_id",
        id::fiscal,
        &["codice fiscale {}", "CF: {}", "il signor Rossi ({})"],
    ),
    (
        "national_id",
        id::dutch,
        &["BSN {}", "mijn burgerservicenummer is {}.", "BSN: {}"],
    ),
    (
        "national_id",
        id::cpf,
        &["CPF {}", "meu CPF é {}.", "cliente {} ativo"],
    ),
    (
        "tax_id",
        id::cnpj,
        &["CNPJ {}", "empresa {} Ltda", "CNPJ: {}."],
    ),
    (
        "national_id",
        id::aadhaar,
        &["Aadhaar {}", "my aadhaar number is {}.", "Aadhaar card: {}"],
    ),
    (
        "national_id",
        make::pan,
        &["PAN {}", "PAN card: {}.", "permanent account number {}"],
    ),
    (
        "birth_date",
        make::day,
        &[
            "Date of birth: {}",
            "She was born on {}.",
            "geboren am {} in Bonn",
            "Geburtsdatum: {}",
            "née le {}",
            "fecha de nacimiento: {}",
            "nata il {}",
            "DOB {}",
            "data de nascimento {}",
        ],
    ),
    (
        "postcode",
        make::postcode,
        &[
            "zip code {}",
            "PLZ {}",
            "code postal {}.",
            "postcode: {}",
            "CAP {}",
        ],
    ),
    (
        "postcode",
        make::british,
        &["London {}", "at {}, UK", "deliver to {}."],
    ),
    (
        "address",
        make::street,
        &[
            "I live at {}.",
            "Lieferung nach\n{}",
            "address: {}",
            "send it to {}!",
        ],
    ),
    (
        "gps",
        make::gps,
        &[
            "GPS {}",
            "Position: {}.",
            "located at {} today",
            "Koordinaten {}",
        ],
    ),
    (
        "vin",
        id::vin,
        &["VIN {}", "the car {} is sold", "Fahrgestellnummer: {}."],
    ),
    (
        "plate",
        make::plate,
        &[
            "license plate {}",
            "Kennzeichen {}.",
            "number plate: {}",
            "targa {}",
            "kenteken {}",
        ],
    ),
    (
        "bank_account",
        id::routing,
        &["routing number {}", "ABA {}.", "routing no.: {}"],
    ),
    (
        "bank_account",
        make::account,
        &[
            "account number {}",
            "Kontonummer: {}.",
            "acct no. {}",
            "numéro de compte {}",
            "cuenta {}",
        ],
    ),
    (
        "bank_account",
        make::bic,
        &["BIC {}", "SWIFT code: {}.", "BIC: {}"],
    ),
    (
        "url",
        make::url,
        &["see {}.", "Siehe {} bitte", "({})", "open {}, then wait"],
    ),
    (
        "host",
        make::host,
        &["ssh to {} now", "Rechner {} ist aus", "{}: timeout"],
    ),
];
