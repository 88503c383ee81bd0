"""Package sales: a worker outside the engine looks for the best allocation and its proof; neither is believed."""
