"""What the record says, told to other lineage tools as OpenLineage events: https://openlineage.io."""
