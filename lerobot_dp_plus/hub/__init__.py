"""Cards and uploads, folders in and folders out: what a checkpoint's folder says becomes its page and its commit."""
