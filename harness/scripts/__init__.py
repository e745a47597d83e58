"""Programs of plain pyzmq as they are: which shall run, on which hosts, over which links. The same for either world."""
