"""`trialwright init`: from a script to a study file, with every guess marked and proved."""
