"""The jobs port: operations in the store are the queue; workers hear of them in the process or by arq."""
