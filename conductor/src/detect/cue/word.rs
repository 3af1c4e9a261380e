//! The words themselves, in the languages of the countries whose numbers we know. One in capitals counts in capitals
//! alone; a space may be written as a dash, an underscore or not at all.

use super::Topic;

/// By topic, with bars between them.
pub(super) const WORDS: &[(Topic, &str)] = &[
    (
        Topic::SocialSecurity,
        "ssn|ssns|social security|social security number|social security no|social security numbers|soc sec|\
         seguro social|itin|individual taxpayer identification number|taxpayer id|\
         taxpayer identification number|sozialversicherungsnummer|sozialversicherungs nr|sv nummer|sv nr|sv.-nr|\
         rentenversicherungsnummer|rvnr",
    ),
    (
        Topic::UsTax,
        "ein|fein|employer identification number|employer id|employer identification|federal tax id|tax id|\
         tax identification number|tax id number",
    ),
    (
        Topic::Nhs,
        "nhs|nhs number|nhs no|national health service number|nhs id",
    ),
    (
        Topic::NationalInsurance,
        "nino|national insurance|national insurance number|ni number|NI no",
    ),
    (
        Topic::Taxpayer,
        "utr|utr number|utr no|unique taxpayer reference|unique taxpayer reference number",
    ),
    (
        Topic::GermanTax,
        "steuer id|steuerid|steueridentifikationsnummer|steuer identifikationsnummer|identifikationsnummer|\
         idnr|id nr|tin|steuer identnummer|tax id|steuerliche id",
    ),
    (
        Topic::GermanTaxNumber,
        "steuernummer|steuer nr|steuer nummer|st nr|st.-nr|st.nr|tax number",
    ),
    (
        Topic::Vat,
        "ust id|ust idnr|ust id nr|ust-id-nr|ust-id.nr|umsatzsteuer id|umsatzsteuer identifikationsnummer|\
         umsatzsteueridentifikationsnummer|vat|vat id|vat number|vat no|vat reg|vat reg no|nip|vat registration number|\
         p.iva|p. iva|piva|partita iva|numero di partita iva|codice iva|uid nummer|tva|n° tva|numéro de tva|\
         tva intracommunautaire|nif iva|btw|btw nummer|btw id|btw nr|momsnummer|moms nr|alv numero|dič",
    ),
    (
        Topic::Insured,
        "kvnr|kv nr|krankenversichertennummer|versichertennummer|versicherten nr|vers.-nr|vers nr|vers.nr|versichertennr|\
         krankenversicherungsnummer|krankenversicherung",
    ),
    (
        Topic::Patient,
        "mrn|medical record number|medical record no|medical record|medical record id|patient id|\
         patient number|patient no|patienten id|patientennummer|patienten nr|pat.-nr|pat nr|pat.nr|fallnummer|fall nr|aufnahmenummer|\
         numéro de patient|dossier patient|IPP|historia clínica|historia clinica|número de historia clínica|NHC|\
         cartella clinica|cartella clinica n|numero di cartella clinica|patiëntnummer|patientnummer|prontuário|\
         número do prontuário",
    ),
    (
        Topic::IdentityCard,
        "personalausweis|personalausweisnummer|personalausweis nr|ausweisnummer|ausweis nr|ausweis|\
         identity card|id card|identity card number|id card number|carte d'identité|carta d'identità|\
         identiteitskaart|perso nr",
    ),
    (
        Topic::Spanish,
        "dni|nie|nif|documento nacional de identidad|número de identidad|numero de identidad|\
         número de identificación fiscal|tarjeta de residencia",
    ),
    (
        Topic::French,
        "nir|numéro de sécurité sociale|sécurité sociale|securite sociale|numéro insee|carte vitale",
    ),
    (
        Topic::Bsn,
        "bsn|burgerservicenummer|sofinummer|sofi nummer|bsn nummer|burger service nummer",
    ),
    (
        Topic::Cpf,
        "cpf|cpf nº|cadastro de pessoas físicas|cadastro de pessoa física",
    ),
    (Topic::Cnpj, "cnpj|cadastro nacional da pessoa jurídica"),
    (
        Topic::Aadhaar,
        "aadhaar|aadhar|adhaar|uidai|आधार|aadhaar number|aadhaar card",
    ),
    (
        Topic::Pan,
        "PAN|permanent account number|pan card|pan number",
    ),
    (
        Topic::Paper,
        "passport|passport number|passport no|reisepass|reisepassnummer|passnummer|passeport|pasaporte|\
         passaporto|paspoort|paspoortnummer|passaporte|driver's license|driver's license number|\
         driver’s license|drivers license|driver license|driver's licence|driver licence|drivers licence|driving licence|\
         driving license|driving licence number|driving license number|führerschein|\
         führerscheinnummer|fuehrerschein|permis de conduire|carnet de conducir|permiso de conducir|\
         patente di guida|rijbewijs|rijbewijsnummer|carteira de motorista|cnh|护照|护照号码|パスポート番号|паспорт|\
         visa number|residence permit|aufenthaltstitel",
    ),
    (
        Topic::Birth,
        "date of birth|birth date|birthdate|birthday|born|born on|dob|d.o.b.|d.o.b|geboren|geboren am|geb.|\
         geb|geburtsdatum|geburtstag|geb.-datum|né le|née le|né|née|ne le|nee le|date de naissance|naissance|\
         nacido|nacida|nació|nacio|fecha de nacimiento|f. nac|f.nac|fec. nac|fecha nac|nacimiento|nato|nata|nato il|nata il|data di nascita|\
         nascita|nascido|nascida|nasceu|data de nascimento|nascimento|geboortedatum|geboren op|urodzony|\
         urodzona|ur.|data urodzenia|född|født|syntynyt|narozen|born in|дата рождения|родился|родилась|出生|出生日期|\
         生日|生年月日|생년월일|doğum tarihi",
    ),
    (
        Topic::Address,
        "address|street address|home address|shipping address|delivery address|lives at|live at|living at|\
         lived at|resides at|residing at|ship to|deliver to|moved to|located at|adresse|anschrift|wohnt|\
         wohne|wohnhaft|lieferadresse|wohnort|domicile|habite|demeurant|dirección|direccion|domicilio|\
         vive en|vivo en|indirizzo|residente|abita|adres|woont|woonachtig|endereço|endereco|mora|moro|reside",
    ),
    (
        Topic::Postcode,
        "zip|zipcode|zip code|zip codes|postcode|post code|postal code|postal codes|postleitzahl|plz|\
         code postal|código postal|codigo postal|codice postale|codice di avviamento postale|CAP|cep|\
         pin code|pincode|postnummer|kod pocztowy|почтовый индекс|индекс|邮编|邮政编码|郵便番号",
    ),
    (
        Topic::Position,
        "gps|latitude|longitude|lat|lon|lng|standort|breitengrad|längengrad|ubicación|localização|geolocation|geo|\
         waypoint",
    ),
    (
        Topic::Spot,
        "position|posizione|long|breite|länge|coordinates|coordinate|coords|location|located at|koordinaten|\
         coordonnées|coordenadas|coördinaten|locatie|位置|坐标|座標|координаты",
    ),
    (
        Topic::Vehicle,
        "vin|vehicle identification number|vehicle identification|chassis|chassis number|frame number|\
         fahrgestellnummer|fahrgestell nr|fahrzeug identifizierungsnummer|fahrzeugidentifizierungsnummer|\
         fahrzeugidentnummer|FIN|numéro de châssis|numéro de série du véhicule|número de bastidor|bastidor|\
         numero di telaio|telaio|chassisnummer|número do chassi|chassi",
    ),
    (
        Topic::Plate,
        "license plate|licence plate|license plates|number plate|registration plate|license plate number|\
         vehicle registration|registration number|plate number|plate|plates|vehicle reg|car reg|reg no|\
         kennzeichen|kfz kennzeichen|kfz kennz|kennz|amtliches kennzeichen|autokennzeichen|nummernschild|\
         plaque d'immatriculation|immatriculation|immatriculé|immatriculée|plaque|matrícula|matricula|targa|\
         targata|targato|kenteken|kentekenplaat|placa|placas|tablica rejestracyjna|госномер|车牌|车牌号|车牌号码|\
         ナンバープレート|registration",
    ),
    (
        Topic::Bic,
        "bic|bic code|swift|swift code|swift bic|bic/swift|swift/bic",
    ),
    (
        Topic::Routing,
        "routing|routing number|routing no|aba|aba number|aba routing|rtn|routing transit number|\
         bank routing number|aba routing number",
    ),
    (
        Topic::SortCode,
        "sort code|sortcode|sort codes|bank sort code",
    ),
    (
        Topic::Account,
        "account|account number|account numbers|account no|account num|account nr|acct|acct no|a/c|a/c no|acc no|\
         bank account|bank account number|bank account no|checking account|savings account|konto|kontonummer|kontonummern|\
         konto nr|kto|kto nr|ktonr|bankverbindung|blz|bankleitzahl|compte|compte bancaire|numéro de compte|\
         cuenta|cuenta bancaria|número de cuenta|conto|conto corrente|numero di conto|rekening|\
         rekeningnummer|bankrekening|numer konta|nr konta|konta|numer rachunku|nr rachunku|rachunek|RIB|conta|conta corrente|número da conta|clabe|ifsc|账号|账户|帐号|口座番号|\
         номер счета|номер счёта",
    ),
    (
        Topic::Goods,
        "part|part number|part no|p/n|order|order number|order no|serial|serial number|serial no|s/n|article|\
         item|item no|unit|material|material no|material number|materialnummer|drawing|drawing no|drawing number|dwg|\
         zeichnung|zeichnungsnr|zeichnungsnummer|asset|asset tag|tag no|tag number|RMA|REACH|reach registration|\
         reach registration no|job no|job number|sscc|nve|pallet|palette|model|batch|lot|ticket|invoice|version|isbn|sku|ean|gtin|tracking|tracking number|\
         purchase order|po number|work order|revision|firmware|artikel|artikelnummer|artikelnr|art nr|art.-nr|art.nr|teil|\
         teilenummer|teilenr|teile nr|bestellung|bestellnummer|bestellnr|auftrag|auftragsnummer|auftragsnr|rechnung|\
         rechnungsnummer|charge|chargennummer|seriennummer|serien nr|typ|commande|facture|référence|pièce|\
         numéro de série|pedido|factura|fattura|ordine|pieza|pezzo|número de serie|numero di serie|onderdeel|\
         onderdeelnummer|serienummer|bestelling|factuur|nota fiscal|peça|订单|订单号|序列号",
    ),
];
