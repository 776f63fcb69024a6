"""Virtual patients with known truth; writes nothing."""
