"""What knows no kind and does no I/O: metadata, errors, selectors, patches, tables. Start at resource.py."""
