"""What stands around every route, in the order of ``application``: the last net, deadlines, compression, origins."""
