"""What knows no kind and does no I/O: metadata, errors, selectors, quantities, patches, tables. Start at resource.py."""
