"""One file, one statistic; all of them obey the laws of dftspark.stats.protocol."""
