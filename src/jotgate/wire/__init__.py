"""What issuer, guard and client must agree on: pure functions over headers, cookies and feed pages."""
