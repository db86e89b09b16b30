UPDATE turns SET response_gap_ms = json_extract(timings, '$.response_gap_ms');
