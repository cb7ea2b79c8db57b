"""Reference dendritic networks: small, trained in minutes on real data; the results lie in ``assets``."""
