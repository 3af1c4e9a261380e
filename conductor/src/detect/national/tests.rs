use super::super::{group::Digits, number};
use super::*;

fn all(text: &str) -> Vec<(&str, String)> {
    let cues = Cues::of(text);
    let mut found = Vec::new();
    number::each(&Digits::of(text), |number| {
        let kind = of_digits(number, &cues);
        found.extend(kind.clone().map(|kind| (number.span.clone(), kind)));
        kind.is_some()
    });
    codes(text, &cues, &mut found);
    found.dedup();
    found
        .into_iter()
        .map(|(span, kind)| (&text[span], kind.to_string()))
        .collect()
}

#[test]
fn numbers_are_found_as_their_countries_write_them() {
    for (text, number, kind) in [
        ("SSN 123-45-6789", "123-45-6789", "national_id"),
        ("it is 123-45-6789.", "123-45-6789", "national_id"),
        (
            "social security number: 123456789",
            "123456789",
            "national_id",
        ),
        ("my ssn is 123 45 6789", "123 45 6789", "national_id"),
        ("ITIN 912-75-1234", "912-75-1234", "national_id"),
        ("EIN 12-3456789", "12-3456789", "tax_id"),
        ("NHS number 943 476 5919", "943 476 5919", "health_id"),
        ("UTR: 1123456789", "1123456789", "tax_id"),
        (
            "her unique taxpayer reference is 19558 39661",
            "19558 39661",
            "tax_id",
        ),
        ("NINO AB 12 34 56 C", "AB 12 34 56 C", "national_id"),
        ("her number is AB123456C", "AB123456C", "national_id"),
        ("Steuer-ID: 86095742719", "86095742719", "national_id"),
        ("IdNr. 86 095 742 719", "86 095 742 719", "national_id"),
        ("Ausweisnummer T220001293", "T220001293", "id_document"),
        ("passport no. C01X00T47", "C01X00T47", "id_document"),
        (
            "my driver's license number is 425700624",
            "425700624",
            "id_document",
        ),
        (
            "né, 2 55 08 14 168 025 38",
            "2 55 08 14 168 025 38",
            "national_id",
        ),
        ("DNI 12345678Z", "12345678Z", "national_id"),
        ("dni 12.345.678-Z", "12.345.678-Z", "national_id"),
        ("NIE X1234567L", "X1234567L", "national_id"),
        ("CF: RSSMRA85T10A562S", "RSSMRA85T10A562S", "national_id"),
        ("BSN 111222333", "111222333", "national_id"),
        ("CPF 529.982.247-25", "529.982.247-25", "national_id"),
        ("cpf: 52998224725", "52998224725", "national_id"),
        (
            "CURP PEGR850312MDFRMS08",
            "PEGR850312MDFRMS08",
            "national_id",
        ),
        ("CNPJ 11.222.333/0001-81", "11.222.333/0001-81", "tax_id"),
        ("CNPJ 12ABC34501DE35", "12ABC34501DE35", "tax_id"),
        ("Aadhaar 2341 2341 2346", "2341 2341 2346", "national_id"),
        ("PAN: ABCPE1234F", "ABCPE1234F", "national_id"),
        ("Steuernummer 12/345/67890", "12/345/67890", "tax_id"),
        ("St.-Nr. 123/4567/8901", "123/4567/8901", "tax_id"),
        ("Steuernummer: 86095742719", "86095742719", "national_id"),
        ("USt-IdNr. DE136695976", "DE136695976", "tax_id"),
        ("USt-ID: DE 136 695 976", "DE 136 695 976", "tax_id"),
        ("P.IVA 00743110157", "00743110157", "tax_id"),
        ("Partita IVA: IT00743110157", "IT00743110157", "tax_id"),
        ("UID-Nummer ATU12345678", "ATU12345678", "tax_id"),
        ("TVA FR 40 303 265 045", "FR 40 303 265 045", "tax_id"),
        ("BTW-nummer NL123456789B01", "NL123456789B01", "tax_id"),
        ("VAT number: BE0403170701", "BE0403170701", "tax_id"),
        ("KVNR A123456780", "A123456780", "health_id"),
        ("Fallnummer: 4711000123", "4711000123", "health_id"),
        ("cartella clinica n. 2024118", "2024118", "health_id"),
        ("Versichertennummer: A123456780", "A123456780", "health_id"),
        ("MRN 00123456", "00123456", "health_id"),
        ("{\"mrn\": \"A123456\"}", "A123456", "health_id"),
        ("medical record no. 00123456", "00123456", "health_id"),
        ("her number is 12345678Z", "12345678Z", "national_id"),
        ("1042,123-45-6789,Jane", "123-45-6789", "national_id"),
        (
            "VALUES (1042,185057800608491,3)",
            "185057800608491",
            "national_id",
        ),
        ("1042,529.982.247-25,7", "529.982.247-25", "national_id"),
        ("bsn=111222333,9", "111222333", "national_id"),
        (
            "1 85 05 78 006 084 91",
            "1 85 05 78 006 084 91",
            "national_id",
        ),
        ("1850578006084 91", "1850578006084 91", "national_id"),
        ("she sent ABCPE1234F", "ABCPE1234F", "national_id"),
        ("PAN ABCHE1234F", "ABCHE1234F", "national_id"),
        ("MRN: 123-45-67", "123-45-67", "health_id"),
        ("MRN# 00-12-34-56", "00-12-34-56", "health_id"),
        ("Patient ID: P-2024-00123", "P-2024-00123", "health_id"),
        ("Pat.-Nr. 4711023", "4711023", "health_id"),
        ("Vers.-Nr. A123456780", "A123456780", "health_id"),
        (
            "Versichertennummer (KVNR): A123456780",
            "A123456780",
            "health_id",
        ),
        (
            "Sozialversicherungsnummer: 65 170839 J 008",
            "65 170839 J 008",
            "national_id",
        ),
        ("it is 15 070649 C 103", "15 070649 C 103", "national_id"),
        ("VAT Reg: GB123456789", "GB123456789", "tax_id"),
        ("NIP PL5260001246", "PL5260001246", "tax_id"),
        (
            "driver licence number: MORGA657054SM9IJ",
            "MORGA657054SM9IJ",
            "id_document",
        ),
        (
            "Führerschein, Dokumentennummer: 4711A0234",
            "4711A0234",
            "id_document",
        ),
        ("DNI 20241123L", "20241123L", "national_id"),
    ] {
        assert_eq!(all(text), [(number, kind.to_owned())], "{text}");
    }
}

#[test]
fn wrong_check_digits_and_numbers_of_goods_are_none() {
    for text in [
        "SSN 000-45-6789",
        "part 123-45-6789",
        "123456789",
        "NHS number 943 476 5918",
        "943 476 5919",
        "UTR: 1123456788",
        "1123456789",
        "part no. AB123456C",
        "Steuer-ID: 86095742718",
        "86095742719",
        "DNI 12345678A",
        "RSSMRA85T10A562T",
        "BSN 111222334",
        "529.982.247-26",
        "PEGR850312MDFRMS09",
        "11.222.333/0001-82",
        "CNPJ 12ABC34501DE36",
        "2341 2341 2347",
        "2019 2020 2021",
        "2 55 08 14 168 025 39",
        "Ausweisnummer T220001294",
        "order no. ABCPE1234F",
        "12/345/67890",
        "Bestellung 12/345/67890",
        "Steuernummer folgt am 12/03/2026",
        "P.IVA 00743110158",
        "VAT 19 of 00743110157",
        "BTW it is 12345678",
        "VAT in DE 12345678",
        "KVNR A123456781",
        "A123456780",
        "MRN is 12",
        "backup of 20241123L",
        "backup of 23112024Z",
        "part 12345678Z",
        "from 12345678 z to 9",
        "81.862 60.141 71.334",
        "2341 2341 2346 4021",
        "Drawing 123-45-6789",
        "Material 123-45-6789",
        "RMA 123-45-6789",
        "Pressure sensor MPXHZ6115A",
        "Drawing ME100245B",
        "HX200345C",
        "Asset AB123456C",
        "Tag PT 10 20 30 A",
        "unit 94539985A",
        "Software license number 47112345",
        "License number: ABX-20034",
        "Dokumentennummer: 100234-01",
        "it is 15 070649 C 104",
    ] {
        assert!(all(text).is_empty(), "{text}: {:?}", all(text));
    }
}
