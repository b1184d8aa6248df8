"""Loss terms as (sum, weight) pairs over valid positions."""
