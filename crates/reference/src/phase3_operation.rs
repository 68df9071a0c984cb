//! Phase 3, Operation: literal path beats template; what is not in the document is not there.

use policy::Reason as R;
use policy::decision::Phase::Operation;
use policy::operation::{Interaction, Method};

use crate::Interpreter;
use crate::call::{Call, Target};
use crate::denial::{Denial, deny};
use crate::document::same_shape;

impl Interpreter {
    /// Finds the operation.
    pub(crate) fn operation(&self, call: &Call<'_>) -> Result<Target, Denial> {
        let path = call.path.as_ref().ok_or(deny(Operation, R::NotInService))?;
        let is_type = |name: &str| self.has_type(name);
        let fitting: Vec<usize> = (0..self.operations.len())
            .filter(|index| self.operations.get(*index).is_some_and(|one| one.fits(path, &is_type)))
            .collect();
        let best = fitting.iter().filter_map(|index| self.operations.get(*index)).min_by_key(|one| one.rank());
        let best = best.ok_or(deny(Operation, R::NotInService))?;
        let method = Method::parse(&call.method);
        let found = fitting.iter().copied().find(|index| {
            self.operations
                .get(*index)
                .is_some_and(|one| Some(one.method) == method && same_shape(&one.template, &best.template))
        });
        let index = found.ok_or(deny(Operation, R::MethodNotAllowed))?;
        let one = self.operations.get(index).ok_or(deny(Operation, R::Internal))?;
        let at = |place: Option<usize>| place.and_then(|place| path.get(place)).cloned();
        let instance_type = match one.interaction {
            Some(Interaction::SearchCompartment) => path.first().cloned(),
            _ => at(one.type_at),
        };
        Ok(Target {
            operation: index,
            interaction: one.interaction,
            resource_type: at(one.type_at).filter(|name| name != "*"),
            id: at(one.id_at),
            instance_type,
            code: one.code.clone(),
        })
    }
}
