"""The three jobs of lakegate, played on the flights that left New York in 2013."""
