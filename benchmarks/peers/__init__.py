"""Other semantic layers, asked the same questions. Needed by nothing but the benchmark."""
