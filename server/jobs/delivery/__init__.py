"""How messages leave the house: as files, by SMTP, by a webhook."""
