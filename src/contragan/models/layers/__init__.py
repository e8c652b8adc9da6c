"""The layers that generators, trunks and heads are made of."""
