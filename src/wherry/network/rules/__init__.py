"""How desired service rules become the kernel's. Only `wherry.network` imports this. Start at nft.py."""
