"""What goes wrong on demand: `POST /sandbox/faults` with {"fault": name, ...}.

Every fault is a Struct whose fields are its parameters, so a wrong name, field or type is
refused by one line of text. Its `strike` leaves word at one of the places where the exchange
asks before it acts: the stream sockets, what goes out on them, the trades of a market, REST,
the placement of orders. A storm strikes faults drawn by a seed.
"""
