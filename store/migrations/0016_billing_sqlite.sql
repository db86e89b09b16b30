CREATE TRIGGER invoices_stay BEFORE DELETE ON invoices BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END;
CREATE TRIGGER invoices_are_not_changed BEFORE UPDATE ON invoices BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END;
CREATE TRIGGER invoice_lines_stay BEFORE DELETE ON invoice_lines BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END;
CREATE TRIGGER invoice_lines_are_not_changed BEFORE UPDATE ON invoice_lines BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END;
