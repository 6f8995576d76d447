"""The offline proof of the infrastructure: what the Bicep compiler and Azure would refuse, found here."""
