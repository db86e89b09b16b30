-- What calls of ours cost, by the minute since 1970 in which it was owed, in millionths of the operator's currency.
CREATE TABLE spend (
    node TEXT NOT NULL,
    minute BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (node, minute)
);
