//! An invoice for a spreadsheet (RFC 4180).

use std::fmt::Write as _;

use store::{Invoice, InvoiceLine};

/// The invoice as `text/csv`: a row a line, then the total. Amounts are whole millionths, and with a decimal point beside it.
#[must_use]
pub fn csv(invoice: &Invoice) -> String {
    let mut text =
        String::from("invoice,month,plan,currency,item,provider,quantity,free,per,price_micros,amount_micros,amount\r\n");
    let head = [invoice.id.to_string(), invoice.month.to_string(), field(&invoice.plan), field(&invoice.currency)].join(",");
    for line in &invoice.lines {
        let InvoiceLine { item, provider, quantity, free, per, price_micros, amount_micros } = line;
        let (item, provider, amount) = (item.as_str(), field(provider), decimal(*amount_micros));
        // Writing to a String cannot fail.
        let _ = write!(text, "{head},{item},{provider},{quantity},{free},{per},{price_micros},{amount_micros},{amount}\r\n");
    }
    let total = invoice.total_micros;
    let _ = write!(text, "{head},total,,,,,,{total},{}\r\n", decimal(total));
    text
}

/// Millionths as a decimal number.
fn decimal(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// A field as CSV has it; one that a spreadsheet would take for a formula begins with an apostrophe.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_no_formulas() {
        for (text, expected) in
            [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"so\"", "\"say \"\"so\"\"\""), ("=1+1", "'=1+1"), ("", "")]
        {
            assert_eq!(field(text), expected);
        }
    }

    #[test]
    fn amounts_have_six_decimals() {
        let shown = [0, 1, 1_000_000, 12_345_678, u64::MAX].map(decimal);
        assert_eq!(shown, ["0.000000", "0.000001", "1.000000", "12.345678", "18446744073709.551615"]);
    }
}
